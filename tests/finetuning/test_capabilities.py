"""What each kind of provider can do, and what becomes of what it cannot."""

from datetime import date

import pytest

from finetuning.capabilities import CAPABILITIES
from finetuning.models import ProviderAccount
from finetuning.offers import list_offers
from finetuning.providers import base_url
from finetuning.providers.base import ProviderRefused
from jobs import planning
from tests.conftest import api_client
from tests.factories import DatasetFactory, ProviderAccountFactory


def test_knows_every_kind():
    assert set(CAPABILITIES) == set(ProviderAccount.Kind.values)


@pytest.mark.parametrize(
    ("kind", "url"),
    [("openai", "https://api.openai.com/v1"), ("nebius", "https://api.tokenfactory.nebius.com/v1")],
)
def test_knows_where_a_vendor_is(kind, url):
    assert base_url(ProviderAccount(kind=kind)) == url


@pytest.mark.parametrize("kind", ["azure", "compatible"])
def test_asks_for_the_address_that_only_the_customer_knows(kind):
    with pytest.raises(ProviderRefused, match="no address"):
        base_url(ProviderAccount(kind=kind))


@pytest.mark.django_db
def test_a_vendor_of_open_models_offers_what_the_account_names(organization):
    account = ProviderAccountFactory(organization=organization, kind="nebius", base_models=["Qwen/Qwen3-32B"])

    names = [offer.base_model.name for offer in list_offers(account, day=date(2026, 11, 23))]

    assert names == ["Qwen/Qwen3-32B"]


@pytest.mark.django_db
def test_refuses_a_method_that_the_account_does_not_offer(organization):
    account = ProviderAccountFactory(organization=organization, kind="nebius", base_models=["Qwen/Qwen3-32B"])
    dataset = DatasetFactory(organization=organization, method="dpo")
    offer = planning.trainable_offer(account, "Qwen/Qwen3-32B")

    with pytest.raises(planning.MethodNotOffered, match="Nebius Token Factory does not train by 'dpo'"):
        planning.matching_method(dataset, offer, "")


@pytest.mark.django_db
def test_the_api_tells_what_an_account_can_do(api, provider_account):
    account = api.get(f"/api/provider-accounts/{provider_account.pk}").json()

    assert account["capabilities"]["methods"] == ["supervised", "dpo", "reinforcement"]
    assert account["capabilities"]["takesJobsUntil"] is None


@pytest.mark.django_db
@pytest.mark.parametrize(("day", "status"), [("2027-01-05", 201), ("2027-01-06", 409)])
def test_takes_no_job_after_the_vendors_last_day(organization, user, time_machine, day, status):
    time_machine.move_to(f"{day}T12:00:00+00:00")
    account = ProviderAccountFactory(organization=organization, name="openai", kind="openai")
    account.set_api_key("sk-test-test-test")
    account.save()
    dataset = DatasetFactory(organization=organization, examples=20)
    asked = {"name": "x", "datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini"}

    answer = api_client(user).post("/api/fine-tuning/jobs", asked)

    assert answer.status_code == status
    if status == 409:
        assert answer.json()["errors"][0] == {
            "pointer": "/provider",
            "code": "provider_closed",
            "detail": "OpenAI takes no new jobs since 6 January 2027. Choose another provider account.",
        }


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "warns"), [("openai", True), ("sandbox", False)])
def test_the_review_warns_of_a_vendor_that_closes(client, organization, user, settings, kind, warns):
    settings.SANDBOX_URL = "http://sandbox.example"
    account = ProviderAccountFactory(organization=organization, kind=kind)
    account.set_api_key("sk-test-test-test")
    account.save()
    dataset = DatasetFactory(organization=organization, examples=20)
    client.force_login(user)

    review = client.get("/jobs/new", {"dataset": dataset.pk, "step": "review"})

    assert ("6 January 2027" in review.text) == warns
