from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from finetuning.models import BasePrice, BaseRetirement, ProviderAccount
from finetuning.offers import find_offer, list_offers
from finetuning.provider_accounts.services import check_account
from finetuning.sandbox.faults import Fault
from tests.factories import ProviderAccountFactory

pytestmark = pytest.mark.django_db

MINI = "gpt-4.1-mini-2025-04-14"
TODAY = date(2026, 11, 23)


@pytest.fixture
def account(provider_account):
    return provider_account


def price(valid_from, training_usd, *, kind="sandbox", base_model=MINI):
    return BasePrice.objects.create(
        provider_kind=kind,
        base_model=base_model,
        valid_from=valid_from,
        training_usd=training_usd,
        source_url="https://example.com/prices",
    )


@pytest.mark.parametrize(
    ("day", "usd"), [(date(2026, 12, 31), "5.00"), (date(2027, 1, 1), "7.50"), (date(2027, 2, 1), "7.50")]
)
def test_the_price_is_the_one_of_its_day(account, day, usd):
    price(date(2027, 1, 1), Decimal("7.50"))

    offer = find_offer(account, "gpt-4.1-mini", day=day)

    assert offer.training_price.usd == Decimal(usd)


def test_knows_no_price_before_the_first(account):
    assert find_offer(account, MINI, day=date(2020, 1, 1)).training_price is None


def test_the_price_at_one_provider_says_nothing_of_another(organization):
    compatible = ProviderAccountFactory(organization=organization, kind="compatible")
    price(date(2026, 1, 1), Decimal("2.00"), kind="openai")

    assert find_offer(compatible, MINI, day=TODAY).price is None


def test_a_price_that_becomes_unknown_is_not_the_old_one(account):
    price(date(2026, 6, 1), None)

    assert find_offer(account, MINI, day=TODAY).training_price is None


def test_two_statements_for_all_offers(account, django_assert_num_queries):
    with django_assert_num_queries(2):
        list_offers(account, day=TODAY)


@pytest.mark.parametrize(
    ("day", "soon", "retired"),
    [
        (date(2026, 10, 15), False, False),
        (date(2026, 10, 16), True, False),
        (date(2027, 1, 13), True, False),
        (date(2027, 1, 14), True, True),
    ],
)
def test_warns_90_days_before_the_last(account, day, soon, retired):
    offer = find_offer(account, MINI, day=day)

    assert (offer.retires_soon, offer.is_retired) == (soon, retired)


@pytest.mark.parametrize(
    ("listed", "checked", "last_day"),
    [
        ({}, date(2027, 3, 1), date(2027, 1, 14)),
        ({MINI: "2026-12-24"}, TODAY, date(2026, 12, 24)),
        # Listed without a day before the announced one, that one holds; after it, the model goes on.
        ({MINI: None}, TODAY, date(2027, 1, 14)),
        ({MINI: None}, date(2027, 3, 1), None),
    ],
)
def test_the_accounts_own_list_is_nearer_to_the_truth(account, listed, checked, last_day):
    account.listed_models = listed
    account.last_checked_at = datetime(checked.year, checked.month, checked.day, tzinfo=UTC)

    assert find_offer(account, MINI, day=checked).retires_on == last_day


def test_a_test_of_the_account_reads_the_last_days(account, sandbox):
    BaseRetirement.objects.all().delete()

    check_account(account)

    assert find_offer(account, MINI, day=TODAY).retires_on == date(2027, 1, 14)
    assert find_offer(account, "gpt-3.5-turbo-1106", day=TODAY).is_retired


def test_a_base_model_that_the_provider_has_ended_is_gone(account, sandbox):
    sandbox.fail(Fault(kind="model_retired", route="GET /models"))

    check_account(account)

    yesterday = datetime.fromtimestamp(sandbox.clock.now, UTC).date()
    assert find_offer(account, MINI, day=yesterday).is_retired


def test_what_one_account_was_told_is_not_told_to_others(account, sandbox):
    sandbox.fail(Fault(kind="model_retired", route="GET /models"))
    other = ProviderAccountFactory()

    check_account(account)

    assert not find_offer(ProviderAccount.objects.get(pk=other.pk), MINI, day=TODAY).is_retired


def test_an_operator_keeps_the_book(client):
    client.force_login(get_user_model().objects.create_superuser("op@example.com", "x"))
    row = {
        "provider_kind": "compatible",
        "base_model": "Qwen/Qwen3-32B",
        "valid_from": "2026-11-01",
        "training_usd": "0.375",
        "source_url": "https://example.com/prices",
    }

    answer = client.post(reverse("admin:finetuning_baseprice_add"), row)

    assert answer.status_code == 302
    kept = BasePrice.objects.get(base_model="Qwen/Qwen3-32B")
    assert (kept.training_usd, kept.output_usd) == (Decimal("0.3750"), None)
    assert "Qwen/Qwen3-32B" in client.get(reverse("admin:finetuning_baseprice_changelist")).text
    assert MINI in client.get(reverse("admin:finetuning_baseretirement_changelist")).text


def test_the_api_tells_each_accounts_price(api, organization, provider_account):
    ProviderAccountFactory(organization=organization, name="own", kind="compatible")

    models = {model["name"]: model for model in api.get("/api/base-models").json()["data"]}

    first, second = models[MINI]["offers"]
    assert (first["provider"], first["prices"]["cachedInputUsd"]) == ("sandbox", 0.2)
    assert first["priceSource"].startswith("https://")
    assert (second["provider"], second["pricesAsOf"]) == ("own", None)
    assert set(second["prices"].values()) == {None}
