"""What becomes of stored completions, of ChatGPT's trees and of ShareGPT."""

from datetime import UTC, datetime

import pytest

from datasets.conversation_files import Talk
from tests.datasets.conversations.exports import (
    ANSWERED,
    ASKED,
    CALL,
    SYSTEM,
    array,
    chatgpt,
    completion,
    node,
    sharegpt,
    tree,
)
from tests.datasets.conversations.readings import FIRST_OF_MARCH, left_out, read, refusal, talk_of


def test_reads_stored_completions():
    talk = talk_of(completion(), "openai")

    assert talk == Talk(
        messages=[ASKED, ANSWERED],
        external_id="chatcmpl-1",
        model="gpt-4.1-mini-2025-04-14",
        occurred_at=FIRST_OF_MARCH,
        tags=("feature:orders",),
        line=2,
    )


def test_reads_messages_as_their_list_gives_them():
    listed = {"object": "list", "data": [{"id": "x", **SYSTEM}, {"id": "y", **ASKED}], "has_more": False}

    assert talk_of(completion(messages=listed), "openai").messages == [SYSTEM, ASKED, ANSWERED]


def test_appends_no_answer_that_stands_there_already():
    assert talk_of(completion(messages=[ASKED, ANSWERED]), "openai").messages == [ASKED, ANSWERED]


def test_keeps_calls_of_tools_and_their_answers():
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    seen = {"role": "tool", "tool_call_id": "call_1", "content": "Monday"}

    talk = talk_of(completion(messages=[ASKED, called, seen]), "openai")

    assert talk.messages == [
        ASKED,
        {"role": "assistant", "tool_calls": [CALL]},
        seen,
        ANSWERED,
    ]


def test_says_what_it_leaves_out_of_a_completion():
    choices = [{"message": {**ANSWERED, "audio": {"id": "a"}, "annotations": []}}, {"message": ANSWERED}]

    assert left_out(completion(choices=choices, tools=[{"type": "function"}], created="?"), "openai") == (
        "`tools`, `audio` of a message, 1 more answers, the time ?"
    )


def test_a_completion_without_messages_says_where_to_get_them():
    value = completion()
    del value["messages"]

    problem = refusal(value, "openai")

    assert "messages.list(id)" in problem.expected
    assert problem.pointer == "/messages"


def test_reads_the_branch_of_chatgpt_that_was_seen_last():
    talk = talk_of(
        tree(
            node("root", None, ""),
            node("asked", "root", "user", "First try"),
            node("other", "asked", "assistant", "Another answer"),
            node("again", "root", "user", ASKED["content"]),
            node("first", "again", "assistant", "Not this one"),
            node("answered", "again", "assistant", "It left", "on Monday."),
        ),
        "chatgpt",
    )

    assert talk.messages == [ASKED, {"role": "assistant", "content": "It left\non Monday."}]
    assert (talk.external_id, talk.model) == ("talk-1", "gpt-4o")
    assert talk.occurred_at == datetime(2026, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)


def test_says_what_it_leaves_out_of_chatgpt():
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file://1"}
    speech = {"content_type": "audio_transcription", "text": "and when?"}
    value = tree(
        node("root", None, ""),
        node("about", "root", "user", content_type="user_editable_context"),
        node("asked", "about", "user", "Look", picture, speech, content_type="multimodal_text"),
        node("thought", "asked", "assistant", content_type="thoughts"),
        node("called", "thought", "assistant", "search()", content_type="code", recipient="web"),
        node("found", "called", "tool", "a page"),
        node("called2", "found", "assistant", "search()", content_type="code", recipient="web"),
        node("answered", "called2", "assistant", ANSWERED["content"]),
    )

    (talk,), (problem,) = read(array(value), "chatgpt")

    assert talk.messages == [{"role": "user", "content": "Look\nand when?"}, ANSWERED]
    assert problem.found == (
        "user_editable_context of user (1), image_asset_pointer (1), thoughts of assistant (1), "
        "code of assistant (2), text of tool (1)"
    )


BROKEN_TREES = {
    "no tree": (chatgpt() | {"mapping": []}, "/mapping"),
    "no last message": (chatgpt() | {"current_node": None}, "/current_node"),
    "a last message that is not there": (chatgpt() | {"current_node": "nowhere"}, "/current_node"),
    "a parent that is not there": (tree(node("a", "gone", "user", "Q")), "/mapping"),
    "a circle": (tree(node("a", "b", "user", "Q"), node("b", "a", "assistant", "A")), "/mapping"),
    "nobody speaks": (tree(node("a", None, "user", ""), node("b", "a", "tool", "x")), "/mapping"),
    "names that are none": (chatgpt() | {"current_node": {"x": 1}}, "/current_node"),
}


@pytest.mark.parametrize(("value", "pointer"), BROKEN_TREES.values(), ids=BROKEN_TREES)
def test_refuses_a_broken_tree(value, pointer):
    assert refusal(value, "chatgpt").pointer == pointer


def test_the_content_is_the_id_of_what_has_none():
    """The ids of ShareGPT are the same in every file, so that they would hide what is new."""
    first, again, other = (talk_of({**sharegpt(n), "id": "1"}, "sharegpt") for n in (1, 1, 2))

    assert first.external_id == again.external_id != other.external_id
    assert first.external_id.startswith("sha256:")


def test_reads_sharegpt_with_its_model_and_says_what_it_leaves_out():
    value = {**sharegpt(), "model": "gpt-4", "source": "web", "tools": [{"name": "find"}]}

    (talk,), (problem,) = read(array(value), "sharegpt")

    assert talk.model == "gpt-4"
    assert problem.found == "`tools`, `source`"


def test_refuses_a_turn_of_nobody():
    assert refusal({"conversations": [{"value": "Q"}]}, "sharegpt").expected == "A role"
    assert refusal({"conversations": ["Q"]}, "sharegpt").pointer == "/conversations/0"
