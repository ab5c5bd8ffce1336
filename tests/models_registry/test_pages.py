from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from finetuning.models import ProviderAccount
from models_registry.models import FineTunedModel, PlainPrice
from tests.factories import FineTunedModelFactory, JobFactory, ProviderAccountFactory

pytestmark = pytest.mark.django_db

ACTIONS = ["deploy", "undeploy", "archive", "delete"]
BASE_MODEL = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def model(organization, provider_account):
    """A model at the sandbox. It answers as its base does, so calls need no training."""
    job = JobFactory(
        organization=organization,
        provider_account=provider_account,
        status="succeeded",
        name="The job",
        dataset__name="The data",
        dataset__organization=organization,
    )
    return FineTunedModelFactory(
        organization=organization, job=job, name="Support tone", provider_model_id=BASE_MODEL
    )


def url(action, model):
    return reverse(f"models_registry:{action}", args=[model.pk])


def test_lists_models_with_counts_on_the_tabs(signed_in, model, organization):
    FineTunedModelFactory(organization=organization, name="Used one", deployed=True)

    response = signed_in.get(reverse("models_registry:list"), {"status": "deployed"})

    assert "Used one" in response.text
    assert "Support tone" not in response.text
    assert [count for _, _, count in response.context["tabs"]] == [2, 1, 2, 0]


def test_leads_to_the_playground_while_it_can_be_asked(signed_in, model):
    link = f"/playground?first=model:{model.pk}"
    assert link in signed_in.get(url("detail", model)).text

    signed_in.post(url("archive", model))

    assert link not in signed_in.get(url("detail", model)).text


def test_says_where_models_come_from_when_there_are_none(signed_in):
    response = signed_in.get(reverse("models_registry:list"))

    assert "No models yet" in response.text


def test_lists_many_models_with_few_queries(signed_in, organization, django_assert_max_num_queries):
    FineTunedModelFactory.create_batch(12, organization=organization)

    with django_assert_max_num_queries(7):
        signed_in.get(reverse("models_registry:list"))


def test_shows_where_a_model_comes_from(signed_in, model, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        response = signed_in.get(url("detail", model))

    assert "The job" in response.text
    assert "The data" in response.text
    assert "sandbox: nothing was trained" in response.text


def test_shows_how_to_call_a_model(signed_in, model, settings):
    settings.SANDBOX_URL = "http://sandbox.example"

    response = signed_in.get(url("detail", model))

    assert "http://sandbox.example/v1/chat/completions" in response.text


def test_says_that_a_provider_account_has_no_address(signed_in, organization):
    account = ProviderAccountFactory(organization=organization, kind=ProviderAccount.Kind.COMPATIBLE)
    model = FineTunedModelFactory(organization=organization, job__provider_account=account)

    response = signed_in.get(url("detail", model))

    assert "has no address" in response.text


def test_does_not_show_the_models_of_others(client, outsider, model):
    client.force_login(outsider)

    response = client.get(url("detail", model))

    assert response.status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_does_not_change_the_models_of_others(client, outsider, model, action):
    client.force_login(outsider)

    response = client.post(url(action, model))

    assert response.status_code == 404
    assert FineTunedModel.objects.filter(pk=model.pk, updated_at=model.updated_at).exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_may_look_but_not_change(client, viewer, model, action):
    client.force_login(viewer)

    response = client.post(url(action, model))

    assert response.status_code == 403
    assert FineTunedModel.objects.filter(pk=model.pk, updated_at=model.updated_at).exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_changes_nothing_when_it_is_only_visited(signed_in, model, action):
    response = signed_in.get(url(action, model))

    assert response.status_code == 405


def test_deploys_for_an_agent(signed_in, model):
    response = signed_in.post(url("deploy", model), {"agent_id": "agent-7"}, follow=True)

    model.refresh_from_db()
    assert (model.deployed, model.agents.get().name) == (True, "agent-7")
    assert "is deployed" in response.text


def test_names_the_first_of_many_agents(signed_in, organization, model):
    for number in range(12):
        organization.agents.create(name=f"agent-{number:02}", model=model)
    model.mark_deployed(now=timezone.now())

    text = signed_in.get(url("detail", model)).text

    assert "agent-09" in text
    assert "agent-10" not in text
    assert "and others" in strip_tags(text)


def test_comes_back_to_the_list_from_there(signed_in, model):
    response = signed_in.post(url("deploy", model), {"from": "list"})

    assert response.headers["Location"] == reverse("models_registry:list")


def test_keeps_an_agent_that_is_too_long_on_the_page(signed_in, model):
    response = signed_in.post(url("deploy", model), {"agent_id": "a" * 201})

    model.refresh_from_db()
    assert response.status_code == 422
    assert not model.deployed


def test_undeploys(signed_in, model):
    signed_in.post(url("deploy", model))

    signed_in.post(url("undeploy", model))

    model.refresh_from_db()
    assert not model.deployed


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_says_that_a_deployed_model_stays(client, owner, model, action):
    client.force_login(owner)
    client.post(url("deploy", model))

    response = client.post(url(action, model), follow=True)

    assert "Undeploy it first" in response.text
    assert FineTunedModel.objects.get(pk=model.pk).status == "active"


def test_archives(signed_in, model):
    signed_in.post(url("archive", model))

    model.refresh_from_db()
    assert model.status == "archived"


def test_deletes_and_shows_the_list(client, owner, model):
    client.force_login(owner)

    response = client.post(url("delete", model), follow=True)

    assert response.redirect_chain[-1][0] == reverse("models_registry:list")
    assert "Support tone was deleted" in response.text
    assert not FineTunedModel.objects.filter(pk=model.pk).exists()


@pytest.mark.parametrize(("price", "shown"), [("0", ">unknown\n<"), ("3.21", ">$3.21 + unknown\n<")])
def test_shows_that_a_price_is_not_known(signed_in, model, organization, price, shown):
    organization.usage_days.create(
        model=model, day=timezone.now().date(), provider_model_id="m", price_usd=price, unpriced_tokens=9
    )

    _, _, usage = signed_in.get(url("detail", model)).text.partition("Usage of the last 30 days")
    assert usage.count(shown) == 2


def test_shows_the_usage_of_a_model_and_of_an_agent(signed_in, model, organization):
    agent = organization.agents.create(name="support-bot", model=model)
    day = {"day": timezone.now().date(), "provider_model_id": BASE_MODEL, "requests": 1_234}
    organization.usage_days.create(model=model, agent=agent, errors=5, price_usd="3.21", **day)
    long_ago = day | {"day": timezone.now().date() - timedelta(days=31)}
    organization.usage_days.create(model=model, agent=agent, **long_ago)

    for page in (url("detail", model), reverse("agents:detail", args=[agent.pk])):
        text = signed_in.get(page).text
        assert "1,234" in text
        assert "$3.21" in text
        assert "2,468" not in text


@pytest.fixture
def called(model, organization):
    """Five million tokens each way in the last days, and a training of 15 dollars."""
    model.job.actual_cost_usd = 15
    model.job.save()
    FineTunedModel.objects.filter(pk=model.pk).update(created_at=timezone.now() - timedelta(days=60))
    return organization.usage_days.create(
        model=model,
        day=timezone.now().date(),
        provider_model_id=BASE_MODEL,
        requests=1,
        prompt_tokens=5_000_000,
        completion_tokens=5_000_000,
        price_usd=20,
    )


def price_of(name, **columns):
    row = PlainPrice.objects.get(provider_kind="sandbox", model=name)
    PlainPrice.objects.filter(pk=row.pk).update(**columns)
    return str(row.pk)


@pytest.mark.usefixtures("called")
def test_says_that_the_base_model_would_have_been_cheaper(signed_in, model):
    response = signed_in.get(url("detail", model))

    # 0.40 and 1.60 dollars per million.
    assert response.context["comparison"].worth.other_usd == 10
    assert "Extra cost so far</dt><dd>$25.00" in response.text
    assert "not at this rate" in response.text


@pytest.mark.usefixtures("called")
def test_says_when_training_pays_beside_a_model_of_choice(signed_in, model):
    against = price_of("gpt-4.1-2025-04-14", input_usd=1, output_usd=5)

    response = signed_in.get(url("detail", model), {"against": against})

    # 30 dollars instead of 20 in 30 days: of 15 for the training 5 are missing, which takes 15 days more.
    day = timezone.now().date() + timedelta(days=15)
    assert f"Breaks even</dt><dd>{day.day} {day:%B %Y}" in response.text
    assert f'<option value="{against}" selected>' in response.text


@pytest.mark.parametrize("against", ["", "0", "x", "1" * 30])
def test_says_that_nobody_knows_what_the_base_model_costs(signed_in, model, called, against):
    PlainPrice.objects.filter(model=BASE_MODEL).delete()

    response = signed_in.get(url("detail", model), {"against": against})

    assert response.context["comparison"].worth.verdict == "unknown"
    assert "On the other model</dt><dd>unknown" in response.text


def test_says_that_what_was_paid_is_not_known(signed_in, model, called):
    called.unpriced_tokens = 1
    called.save()

    response = signed_in.get(url("detail", model))

    assert "Its calls so far</dt><dd>unknown" in response.text
    assert "What some of its tokens cost is not known." in response.text


def test_compares_with_the_newest_price_that_holds(signed_in, model, called):
    old = PlainPrice.objects.get(provider_kind="sandbox", model=BASE_MODEL)
    for days, usd in [(1, 100), (-1, 200)]:
        old.pk, old.valid_from = None, timezone.now().date() - timedelta(days=days)
        old.input_usd, old.output_usd = usd, 0
        old.save()

    assert signed_in.get(url("detail", model)).context["comparison"].worth.other_usd == 500


def test_says_that_a_model_is_not_used(signed_in, model):
    assert "unused for 30 days" not in signed_in.get(url("detail", model)).text

    FineTunedModel.objects.filter(pk=model.pk).update(created_at=timezone.now() - timedelta(days=31))

    assert "unused for 30 days" in signed_in.get(url("detail", model)).text


def test_draws_the_calls_of_each_day(signed_in, organization, model):
    today = timezone.now().date()
    columns = {"provider_model_id": model.provider_model_id, "model": model, "requests": 3, "latency_ms": 600}
    for days in (0, 30, 31):
        organization.usage_days.create(day=today - timedelta(days=days), prompt_tokens=5, **columns)

    answer = signed_in.get(url("detail", model))

    charts = dict(answer.context["usage"]["charts"])
    assert [words for _, _, words in charts["Requests"]] == ["3", *["0"] * 29, "3"]
    assert charts["Latency"][0] == (f"{today - timedelta(days=30):%d %b}", 200, "200 ms")
    assert charts["Latency"][1][2] == "\N{EM DASH}"
    assert f"<title>{today:%d %b}: 5</title>" in answer.text


@pytest.mark.parametrize(
    ("usd", "unpriced", "words"), [(2, 0, "$2.00"), (2, 5, "$2.00 + unknown"), (0, 5, "unknown")]
)
def test_says_that_the_price_of_a_day_is_not_known(signed_in, organization, model, usd, unpriced, words):
    columns = {"provider_model_id": model.provider_model_id, "model": model, "requests": 1}
    organization.usage_days.create(
        day=timezone.now().date(), price_usd=usd, unpriced_tokens=unpriced, **columns
    )

    charts = dict(signed_in.get(url("detail", model)).context["usage"]["charts"])

    assert charts["Price"][-1][2] == words
