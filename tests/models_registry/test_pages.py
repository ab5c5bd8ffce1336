from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from datasets.models import Conversation
from finetuning.models import ProviderAccount
from models_registry.models import FineTunedModel
from tests.factories import FineTunedModelFactory, JobFactory, ProviderAccountFactory

pytestmark = pytest.mark.django_db

ACTIONS = ["deploy", "undeploy", "archive", "delete", "try"]
BASE_MODEL = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def signed_in(client, user):
    """A browser in which `user` is signed in."""
    client.force_login(user)
    return client


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


def test_says_where_models_come_from_when_there_are_none(signed_in):
    response = signed_in.get(reverse("models_registry:list"))

    assert "No models yet" in response.text


def test_lists_many_models_with_few_queries(signed_in, organization, django_assert_max_num_queries):
    FineTunedModelFactory.create_batch(12, organization=organization)

    with django_assert_max_num_queries(7):
        signed_in.get(reverse("models_registry:list"))


def test_shows_where_a_model_comes_from(signed_in, model, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
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

    response = client.post(url(action, model), {"message": "Hello"})

    assert response.status_code == 404
    assert FineTunedModel.objects.filter(pk=model.pk, updated_at=model.updated_at).exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_may_look_but_not_change(client, viewer, model, action):
    client.force_login(viewer)

    response = client.post(url(action, model), {"message": "Hello"})

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


@pytest.mark.usefixtures("sandbox")
def test_answers_on_the_page_without_scripts(signed_in, model, user):
    response = signed_in.post(url("try", model), {"system": "Be brief.", "message": "Hello"})

    model.refresh_from_db()
    assert response.context["answer"]
    assert "<html" in response.text
    assert model.total_requests == 1
    assert Conversation.objects.get().messages[:2] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]


@pytest.mark.usefixtures("sandbox")
def test_sends_a_script_the_answer_alone(signed_in, model):
    response = signed_in.post(url("try", model), {"message": "Hello"}, headers={"HX-Request": "true"})

    assert response.context["completion"].message["content"] in response.text
    assert "<html" not in response.text


@pytest.mark.parametrize("message", ["", " \n "])
def test_says_that_a_message_is_missing(signed_in, model, message):
    response = signed_in.post(url("try", model), {"message": message})

    assert response.status_code == 422
    assert "This field is required" in response.text


def test_says_that_the_provider_did_not_answer(signed_in, model, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    response = signed_in.post(url("try", model), {"message": "Hello"})

    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert "Hello</textarea>" in response.text


def test_does_not_call_an_archived_model(signed_in, model):
    signed_in.post(url("archive", model))

    response = signed_in.post(url("try", model), {"message": "Hello"})

    assert "not called any more" in response.text
    assert model.total_requests == 0


@pytest.mark.parametrize(("price", "shown"), [("0", ">unknown\n<"), ("3.21", ">$3.21 + unknown\n<")])
def test_shows_that_a_price_is_not_known(signed_in, model, organization, price, shown):
    organization.usage_days.create(
        model=model, day=timezone.now().date(), provider_model_id="m", price_usd=price, unpriced_tokens=9
    )

    assert signed_in.get(url("detail", model)).text.count(shown) == 2


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
