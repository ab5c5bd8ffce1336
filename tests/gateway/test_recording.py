"""What is kept of conversations, and what is not."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from datasets.models import Conversation
from models_registry import tasks
from tests.gateway.upstream import completion, delta, event

ASKED = [{"role": "user", "content": "Hi"}]
ASK = {"model": "support-bot", "messages": ASKED}
CONSENT = {"X-Attune-Consent": "yes"}


@pytest.fixture
def record(gateway, upstream, make_model, make_agent, key):
    """Asks once and returns the conversations that were kept."""

    def record(*, headers=None, stream=False, asked=ASKED, **settings):
        make_agent(model=make_model(), **settings)
        gateway.post(key, ASK | {"stream": stream, "messages": asked}, **(headers or {}))
        gateway.stop()
        return list(Conversation.objects.all())

    upstream.answer("real-model", completion("Hello."))
    return record


def test_keeps_a_whole_answer(record):
    (kept,) = record(recording="all")

    assert kept.messages == [*ASKED, {"role": "assistant", "content": "Hello."}]
    assert (kept.agent_id, kept.model, kept.external_id) == ("support-bot", "real-model", "chatcmpl-1")


def test_puts_a_stream_together(record, upstream):
    calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]
    more = [{"index": 0, "function": {"arguments": ": 1}"}}]
    choices = [{"index": 0, "delta": {"tool_calls": piece}} for piece in (calls, more)]
    events = [event({"id": "c", "model": "real-model", "choices": [choice]}) for choice in choices]
    upstream.stream("real-model", delta("Hel"), delta("lo"), *events, event(b"[DONE]"))

    (kept,) = record(recording="all", stream=True)

    assert kept.messages[-1] == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        ],
    }


@pytest.mark.parametrize(
    ("settings", "headers", "count"),
    [
        ({}, CONSENT, 0),
        ({"recording": "consented"}, {}, 0),
        ({"recording": "consented"}, {"X-Attune-Consent": "no"}, 0),
        ({"recording": "consented"}, CONSENT, 1),
    ],
)
def test_keeps_only_what_is_allowed(record, settings, headers, count):
    assert len(record(headers=headers, **settings)) == count


def test_keeps_no_answer_that_failed(record, upstream):
    upstream.answer("real-model", {"error": {"message": "No."}}, status=400)

    assert record(recording="all") == []


def test_counts_a_call_whose_words_cannot_be_kept(record, upstream, organization):
    upstream.answer("real-model", completion("a\0b"))

    assert record(recording="all") == []
    assert organization.usage_days.get().requests == 1


def test_counts_a_call_that_is_nested_too_deep_to_be_kept(record, upstream, organization, caplog):
    deep = json.loads("[" * 40 + "]" * 40)

    assert record(recording="all", asked=[{"role": "user", "content": deep}]) == []
    assert organization.usage_days.get().requests == 1
    assert "a conversation of support-bot cannot be kept: depth" in caplog.text


def test_deletes_what_is_older_than_the_agent_keeps(organization, make_model, make_agent):
    make_agent(model=make_model(), retention_days=30)
    old, recent = (timezone.now() - timedelta(days=days) for days in (31, 29))
    for agent_id, moment in (("support-bot", old), ("support-bot", recent), ("other", old)):
        organization.conversations.create(agent_id=agent_id, messages=ASKED, occurred_at=moment)

    tasks.delete_expired_conversations()

    kept = organization.conversations.values_list("agent_id", "occurred_at")
    assert set(kept) == {("support-bot", recent), ("other", old)}
