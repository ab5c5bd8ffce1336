"""The page without scripts, and what it starts with."""

import pytest
from django.urls import reverse

from datasets.models import Conversation
from jobs.models import Job
from models_registry import services
from models_registry.playground_forms import start_from
from tests.factories import DatasetFactory, FineTunedModelFactory
from tests.gateway.upstream import completion
from tests.models_registry.playground.conftest import asking

pytestmark = pytest.mark.django_db(transaction=True)

PAGE, ASK, SAVE = "/playground", "/playground/ask", "/playground/save"
BASE = "gpt-4.1-mini-2025-04-14"
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}


def columns(response):
    return [answer for _, _, answer in response.context["columns"] if answer]


def base_of(model):
    return f"base:{model.provider_account_id}:{model.base_model}"


def test_asks_side_by_side(signed_in, upstream, make_model, counted):
    model, other = make_model(), make_model("other-model")
    for name, text in [("real-model", "Tuned."), ("other-model", "Other."), (BASE, "<b>Plain.</b>")]:
        upstream.answer(name, completion(text))

    response = signed_in.post(PAGE, asking(model, second=base_of(model), third=f"model:{other.pk}"))

    assert [answer.text for answer in columns(response)] == ["Tuned.", "<b>Plain.</b>", "Other."]
    assert "&lt;b&gt;Plain.&lt;/b&gt;" in response.text
    assert counted()["requests"] == 3
    model.refresh_from_db()
    assert model.total_requests == 1


@pytest.mark.parametrize(("kind", "price"), [("openai", "$0.000008"), ("compatible", "price unknown")])
def test_prices_a_base_model_where_its_price_is_known(
    signed_in, upstream, make_model, account, kind, price, settings
):
    settings.PROVIDER_ALLOWED_HOSTS = ["127.0.0.1"]
    account.kind = kind
    account.save()
    upstream.answer(BASE, completion())
    model = make_model()

    response = signed_in.post(PAGE, asking(model, first=base_of(model)))

    assert price in columns(response)[0].facts


def test_one_that_fails_does_not_hold_up_the_others(signed_in, upstream, make_model, account):
    model, other = make_model(), make_model("other-model")
    upstream.answer("real-model", {"error": {"message": "No."}}, status=500)
    upstream.answer("other-model", completion("Hello."))

    response = signed_in.post(PAGE, asking(model, second=f"model:{other.pk}"))

    failed, answered = columns(response)
    assert failed.error == "The provider answered with status 500. It said: No."
    assert "$" not in failed.facts
    assert (answered.text, answered.error) == ("Hello.", "")


def test_says_that_an_account_has_no_key(signed_in, make_model, account):
    account.set_api_key("")
    account.save()

    response = signed_in.post(PAGE, asking(make_model()))

    assert "has no API key" in columns(response)[0].error


@pytest.mark.parametrize("path", [PAGE, ASK])
def test_says_that_the_cap_is_reached(signed_in, make_model, organization, upstream, path):
    organization.monthly_cap_usd = 0
    organization.save()

    response = signed_in.post(path, asking(make_model()))

    assert response.status_code == 402
    assert "its cap is $0" in response.text
    assert upstream.asked == []


@pytest.mark.parametrize("path", [PAGE, ASK])
def test_says_that_there_were_too_many_requests(signed_in, make_model, settings, upstream, path):
    settings.REQUESTS_PER_MINUTE = 0

    response = signed_in.post(path, asking(make_model()))

    assert response.status_code == 429
    assert "requests of this minute. Try again in" in response.text
    assert upstream.asked == []


@pytest.mark.parametrize("path", [PAGE, ASK])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"turns-0-content": " "}, "Write a message."),
        ({"temperature": "3"}, "less than or equal to 2"),
        ({"temperature": "NaN"}, "Enter a number"),
        ({"first": "model:x"}, "Select a valid choice"),
        ({"turns-0-content": "a\0b"}, "Null characters are not allowed"),
        ({"turns-0-role": "system"}, "Select a valid choice"),
        ({"turns-TOTAL_FORMS": "x"}, "Write a message."),
        ({"turns-TOTAL_FORMS": "9000"}, "at most 100"),
    ],
)
def test_says_what_is_wrong_with_a_question(signed_in, make_model, upstream, path, fields, words):
    response = signed_in.post(path, asking(make_model(), **fields))

    assert response.status_code == 422
    assert words in response.text
    assert upstream.asked == []


@pytest.mark.parametrize("path", [PAGE, ASK, SAVE])
def test_a_viewer_spends_nothing(client, viewer, make_model, upstream, path):
    client.force_login(viewer)

    assert client.post(path, asking(make_model())).status_code == 403
    assert upstream.asked == []
    page = client.get(PAGE)
    assert "takes a member" in page.text
    assert "> Ask</button>" not in page.text


def test_adds_a_message(signed_in, make_model, upstream):
    response = signed_in.post(PAGE, asking(make_model(), system="Be brief.", add="1"))

    assert [form["content"].value() for form in response.context["turns"]] == ["Hi", None]
    assert "Be brief.</textarea>" in response.text
    assert upstream.asked == []


def test_starts_with_a_model_beside_its_base(signed_in, make_model):
    model = make_model()
    make_model("newer")

    form = signed_in.get(PAGE, {"first": f"model:{model.pk}"}).context["form"]

    assert [form[name].value() for name in ("first", "second")] == [f"model:{model.pk}", base_of(model)]


def test_starts_with_an_agent_beside_the_base_of_its_model(signed_in, make_model, make_agent):
    agent = make_agent(model=make_model())

    form = signed_in.get(PAGE, {"first": f"agent:{agent.pk}"}).context["form"]

    assert [form[name].value() for name in ("first", "second")] == [f"agent:{agent.pk}", base_of(agent.model)]


def test_says_where_models_come_from_when_there_are_none(signed_in):
    assert "No models yet" in signed_in.get(PAGE).text


def test_offers_nothing_of_others_and_nothing_that_was_put_away(signed_in, make_model):
    kept, archived = make_model(), make_model("archived", deployed=False)
    services.archive_model(archived)
    foreign = FineTunedModelFactory()

    form = signed_in.get(PAGE, {"first": f"model:{foreign.pk}"}).context["form"]

    assert {choice.model for choice in form.choices} == {kept}
    assert signed_in.post(PAGE, asking(foreign)).status_code == 422
    assert signed_in.post(PAGE, asking(archived)).status_code == 422


def test_offers_a_model_that_is_named_however_old_it_is(signed_in, make_model, monkeypatch):
    monkeypatch.setattr("models_registry.playground.LISTED", 1)
    old, new = make_model("old"), make_model("new")

    assert {one.model for one in signed_in.get(PAGE).context["form"].choices} == {new}
    named = signed_in.get(PAGE, {"first": f"model:{old.pk}"}).context["form"].choices
    assert {one.model for one in named if not one.is_base} == {old, new}


def test_looks_up_many_models_with_few_queries(
    signed_in, make_model, make_agent, django_assert_max_num_queries
):
    for number in range(5):
        make_agent(f"agent-{number}", model=make_model(f"model-{number}"))

    with django_assert_max_num_queries(8):
        signed_in.get(PAGE)


# From an example of a dataset


@pytest.fixture
def dataset(organization):
    return DatasetFactory(organization=organization, examples=3)


def test_starts_with_an_example(signed_in, make_model, dataset):
    model = make_model()
    Job.objects.filter(pk=model.job_id).update(dataset=dataset)
    make_model("newer")

    response = signed_in.get(PAGE, {"dataset": dataset.pk, "position": "1"})

    assert "Question 1?</textarea>" in response.text
    assert response.context["expected"] == "Answer 1."
    assert response.context["form"]["first"].value() == f"model:{model.pk}"


def test_keeps_the_examples_answer_beside_those_of_the_models(signed_in, make_model, upstream):
    upstream.answer("real-model", completion("Hello."))

    response = signed_in.post(PAGE, asking(make_model(), expected="Good morning."))

    assert '<div class="turn-text">Good morning.</div>' in response.text


def test_shows_a_viewer_no_example(client, viewer, make_model, dataset):
    make_model()
    client.force_login(viewer)

    response = client.get(PAGE, {"dataset": dataset.pk, "position": "1"})

    assert response.status_code == 200
    assert "Question 1?" not in response.text


@pytest.mark.parametrize("position", ["", "x", "-1", "9", "1" * 30, "1" * 5000])
def test_knows_no_example_that_is_not_there(signed_in, dataset, position):
    assert signed_in.get(PAGE, {"dataset": dataset.pk, "position": position}).status_code == 404


@pytest.mark.parametrize("pk", ["x", "00000000-0000-0000-0000-000000000000", "\0"])
def test_knows_no_dataset_that_is_not_there(signed_in, pk):
    assert signed_in.get(PAGE, {"dataset": pk, "position": "1"}).status_code == 404


def test_knows_no_dataset_of_others(signed_in):
    foreign = DatasetFactory(examples=3)

    assert signed_in.get(PAGE, {"dataset": foreign.pk, "position": "1"}).status_code == 404


def test_an_example_leads_to_the_playground(signed_in, dataset):
    response = signed_in.get(reverse("datasets:detail", args=[dataset.pk]))

    assert f'href="{PAGE}?dataset={dataset.pk}&amp;position=2"' in response.text


CALL = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
TOOL = {"role": "tool", "tool_call_id": "c", "content": "1"}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e/x.png"}}]}


@pytest.mark.parametrize(
    ("messages", "attributes", "system", "turns", "expected", "omits"),
    [
        ([USER, ANSWER], {}, "", [USER], "Hello.", False),
        ([{"role": "system", "content": "S"}, USER, ANSWER], {}, "S", [USER], "Hello.", False),
        ([{"role": "developer", "content": "S"}, USER, ANSWER], {}, "S", [USER], "Hello.", False),
        ([USER, ANSWER, USER, {**ANSWER, "content": "Bye."}], {}, "", [USER, ANSWER, USER], "Bye.", False),
        ([USER | {"name": "Ann"}, ANSWER | {"weight": 1}], {}, "", [USER], "Hello.", False),
        ([USER], {"preferred_output": [ANSWER], "non_preferred_output": [USER]}, "", [USER], "Hello.", False),
        # Of reinforcement learning, which has no answer.
        ([USER], {"reference": "4"}, "", [USER], "", False),
        ([USER, CALL, TOOL, ANSWER], {}, "", [USER], "Hello.", True),
        ([USER, ANSWER], {"tools": [{}]}, "", [USER], "Hello.", True),
        ([IMAGE, ANSWER], {}, "", [{}], "Hello.", True),
        ([USER] * 101 + [ANSWER], {}, "", [USER] * 100, "Hello.", True),
    ],
)
def test_takes_the_question_of_an_example(messages, attributes, system, turns, expected, omits):
    start = start_from(messages, attributes)

    assert (start.system, start.turns, start.expected, start.omits) == (system, turns, expected, omits)


def test_expects_a_call_of_a_tool():
    assert '"name": "f"' in start_from([USER, CALL], {}).expected


# Saving


@pytest.fixture
def saving(signed_in, make_model, upstream):
    """What the page sends to keep an answer."""
    upstream.answer("real-model", completion("Hello."))
    return columns(signed_in.post(PAGE, asking(make_model(), system="Be brief.")))[0].saving


def test_saves_what_was_said_when_asked_to(signed_in, saving, member):
    assert not Conversation.objects.exists()

    responses = [signed_in.post(SAVE, {"saving": saving}, follow=True) for _ in range(2)]

    kept = Conversation.objects.get()
    assert kept.messages == [{"role": "system", "content": "Be brief."}, USER, ANSWER]
    assert (kept.model, kept.created_by) == ("real-model", member)
    assert ["Saved." in response.text for response in responses] == [True, False]
    assert "It was saved already." in responses[1].text


def test_tells_a_script_that_it_is_saved(signed_in, saving):
    response = signed_in.post(SAVE, {"saving": saving}, headers={"HX-Request": "true"})

    assert "Saved. It can become part of a dataset." in response.text
    assert "<html" not in response.text


@pytest.mark.parametrize("sent", ["", "{}x", "x{}"])
def test_saves_only_what_a_model_said(signed_in, saving, sent):
    response = signed_in.post(SAVE, {"saving": sent.format(saving)}, headers={"HX-Request": "true"})

    assert response.status_code == 422
    assert not Conversation.objects.exists()


def test_saves_no_answer_in_another_organization(client, outsider, saving):
    client.force_login(outsider)

    response = client.post(SAVE, {"saving": saving}, headers={"HX-Request": "true"})

    assert response.status_code == 422
    assert not Conversation.objects.exists()
