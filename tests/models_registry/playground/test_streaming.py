"""What the page's script gets, over the wire."""

import json

import pytest
from django.db import connection

from datasets.models import Conversation
from tests.gateway.upstream import completion, delta, event
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = event({"object": "chat.completion.chunk", "choices": [], "usage": completion()["usage"]})
DONE = event(b"[DONE]")


def read(answer):
    """The texts that were streamed, and the last event."""
    texts, last, is_last = [], None, False
    for line in answer.iter_lines():
        is_last = is_last or line == "event: answer"
        if line.startswith("data:") and line != "data: [DONE]":
            data = json.loads(line.removeprefix("data:"))
            if is_last:
                last = data
            else:
                texts.append(data["choices"][0]["delta"]["content"])
    return texts, last


def test_streams_what_comes_when_it_comes(site, upstream, make_model, counted):
    model = make_model()
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo"), USAGE, DONE)

    with site.ask(model, temperature="0.5", system="Be brief.") as answer:
        lines = answer.iter_lines()
        first = next(lines)
        upstream.go_on.set()
        rest = [first, *lines]

    assert "Hel" in first
    last = json.loads(rest[rest.index("event: answer") + 1].removeprefix("data:"))
    assert (last["text"], last["error"]) == ("Hello", "")
    assert "7 + 3 tokens; $0.000015" in last["facts"]
    ((_, asked),) = upstream.asked
    assert asked["temperature"] == 0.5
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    model.refresh_from_db()
    wait_until(lambda: counted()["requests"] == 1)
    assert counted()["tokens"] == 10


def test_stopping_stops_the_provider(site, upstream, make_model, counted):
    upstream.stream("real-model", "forever")

    with site.ask(make_model()) as answer:
        next(answer.iter_lines())

    assert upstream.hung_up.wait(60)
    wait_until(lambda: counted()["hang_ups"] == 1)


def test_holds_no_connection_of_the_database_while_it_streams(site, upstream, make_model):
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo"), DONE)

    with site.ask(make_model()) as answer:
        # Kept: without the iterator the connection would be closed.
        lines = answer.iter_lines()
        next(lines)
        wait_until(lambda: not others_connected())
        upstream.go_on.set()
        rest = list(lines)

    assert '"text":"Hello"' in rest[-2]


def others_connected():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchall()


def test_shows_a_call_of_a_tool_as_it_is(site, upstream, make_model):
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}}
    upstream.stream("real-model", event({"id": "c", "model": "m", "choices": [choice]}), DONE)

    with site.ask(make_model()) as answer:
        last = json.loads(list(answer.iter_lines())[-2].removeprefix("data:"))

    assert '"name": "find"' in last["text"]


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "takes no more calls"), (401, "refused the account's key"), (418, "status 418")],
)
def test_says_why_the_provider_did_not_answer(site, upstream, make_model, status, words, counted):
    body = {"error": {"message": "Not with sk-of-the-provider.", "code": "x"}}
    upstream.answer("real-model", body, status=status)

    with site.ask(make_model()) as answer:
        text = answer.read().decode()

    assert words in text
    assert "It said: Not with (the key)." in text
    assert "sk-of-the-provider" not in text
    wait_until(lambda: counted()["errors"] == 1)


def test_keeps_what_came_before_the_provider_broke_off(site, upstream, make_model):
    upstream.stream("real-model", delta("Hel"), "break")

    with site.ask(make_model()) as answer:
        text = answer.read().decode()

    assert "Hel" in text
    assert "The provider broke off" in text.partition("event: answer")[2]


def test_keeps_no_conversation_by_itself(site, upstream, make_model, make_agent, counted):
    model = make_model()
    agent = make_agent(model=model, recording="all")
    upstream.stream("real-model", delta("Hello"), USAGE, DONE)

    with site.ask(model, first=f"agent:{agent.pk}") as answer:
        assert read(answer)[1]["text"] == "Hello"

    wait_until(lambda: counted()["requests"] == 1)
    assert not Conversation.objects.exists()
    assert agent.usage_days.get().requests == 1
    assert agent.usage_days.get().api_key_id is None


def test_takes_nothing_without_the_forms_token(site, make_model, upstream):
    form = site.form(make_model()) | {"csrfmiddlewaretoken": "x"}

    assert site.browser.post("/playground/ask", data=form).status_code == 403
    assert upstream.asked == []
