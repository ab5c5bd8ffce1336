"""What becomes of exports: every element is a conversation or a problem that says where and why."""

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.conversation_files import KINDS, Talk
from datasets.conversation_files.reading import kind_of, read_talks
from datasets.problems import Problem
from tests.datasets.conversations.exports import (
    ANSWERED,
    ASKED,
    CALL,
    MAKERS,
    SYSTEM,
    array,
    chatgpt,
    completion,
    generation,
    lang,
    lines,
    node,
    run,
    sharegpt,
    table,
    tree,
)

FIRST_OF_MARCH = datetime(2026, 3, 1, tzinfo=UTC)
WRITERS = {"json": array, "jsonl": lines, "csv": table}


def read(content, kind, format="json"):
    """The talks and the problems of a file."""
    found = list(read_talks(io.BytesIO(content), format, kind))
    talks = [one for one in found if isinstance(one, Talk)]
    return talks, [one for one in found if isinstance(one, Problem)]


def talk_of(value, kind):
    """The one talk of an element, of which nothing is said."""
    (talk,), problems = read(array(value), kind)
    assert problems == []
    return talk


def left_out(value, kind):
    (_,), (problem,) = read(array(value), kind)
    assert (problem.code, problem.severity, problem.line) == ("left_out", "warning", 2)
    return problem.found


def refusal(value, kind):
    talks, (problem,) = read(array(value), kind)
    assert (talks, problem.code, problem.line) == ([], "not_a_conversation", 2)
    return problem


@pytest.mark.parametrize("format", ["json", "jsonl"])
@pytest.mark.parametrize("kind", KINDS)
def test_reads_each_kind_as_an_array_and_as_lines(kind, format):
    content = WRITERS[format](MAKERS[kind](1), MAKERS[kind](2))

    talks, problems = read(content, kind, format)

    assert kind_of(io.BytesIO(content), format) == kind
    assert (len(talks), problems) == (2, [])
    assert [talk.messages[0] for talk in talks] == [ASKED, ASKED]
    assert len({talk.external_id for talk in talks}) == 2


def test_reads_a_table_of_langfuse():
    content = table(generation(1), generation(2))

    talks, problems = read(content, "langfuse", "csv")

    assert kind_of(io.BytesIO(content), "csv") == "langfuse"
    assert problems == []
    assert [(talk.line, talk.external_id, talk.messages) for talk in talks] == [
        (2, "generation-1", [ASKED, ANSWERED]),
        (3, "generation-2", [ASKED, ANSWERED]),
    ]
    assert (talks[0].quality_score, talks[0].tags) == (0.75, ("billing", "de"))


PAGES = {
    "openai": {"object": "list", "data": [completion(1), completion(2)], "has_more": False},
    "langfuse": {"data": [generation(1), generation(2)], "meta": {"page": 1}},
    "langsmith": {"runs": [run(1), run(2)], "cursors": {}},
}


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "many lines"])
@pytest.mark.parametrize("kind", PAGES)
def test_reads_a_page_of_an_api(kind, indent):
    content = json.dumps(PAGES[kind], indent=indent).encode()

    talks, problems = read(content, kind, "jsonl")

    assert kind_of(io.BytesIO(content), "jsonl") == kind
    assert (len(talks), problems) == (2, [])


def test_says_which_element_of_a_page_is_wrong():
    page = {"data": [completion(1), completion(2, messages=[]), 7]}

    talks, problems = read(lines(page), "openai", "jsonl")

    assert len(talks) == 1
    assert [(problem.code, problem.line, problem.pointer) for problem in problems] == [
        ("not_a_conversation", 1, "/data/1/messages"),
        ("not_object", 1, "/data/2"),
    ]


@pytest.mark.parametrize("value", [{}, {"id": "x"}, {"inputs": 1}, {"mapping": {}}, {"data": []}])
def test_knows_no_kind_of_what_is_no_export(value):
    assert kind_of(io.BytesIO(lines(value)), "jsonl") is None


def test_a_broken_line_hides_no_other():
    content = lines(completion(1)) + b'{"id": "cut\n' + lines(completion(2))

    talks, (problem,) = read(content, "openai", "jsonl")

    assert [talk.external_id for talk in talks] == ["chatcmpl-1", "chatcmpl-2"]
    assert (problem.code, problem.line) == ("invalid_json", 2)


def test_a_broken_first_line_hides_no_other():
    content = b'{"id": "cut\n' + lines(completion(1))

    talks, (problem,) = read(content, "openai", "jsonl")

    assert len(talks) == 1
    assert (problem.code, problem.line) == ("invalid_json", 1)


STRICT = {
    "duplicate_key": b'{"id": 1, "id": 2}\n',
    "non_finite": b'{"id": NaN}\n',
    "nul": b'{"id": "\\u0000"}\n',
    "surrogate": b'{"id": "\\ud800"}\n',
    "depth": b'{"id": ' + b"[" * 33 + b"]" * 33 + b"}\n",
    "not_object": b"7\n",
}


@pytest.mark.parametrize(("code", "content"), STRICT.items(), ids=STRICT)
def test_reads_json_strictly(code, content):
    talks, (problem,) = read(content + lines(completion()), "openai", "jsonl")

    assert (len(talks), problem.code, problem.line) == (1, code, 1)


def test_refuses_a_large_object_as_a_whole():
    page = {"data": [completion(messages=[{"role": "user", "content": "x" * 5_000_000}])]}

    talks, (problem,) = read(json.dumps(page, indent=1).encode(), "openai", "jsonl")

    assert (talks, problem.code) == ([], "one_object")


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


def test_reads_generations_of_langfuse():
    assert talk_of(generation(), "langfuse") == Talk(
        messages=[ASKED, ANSWERED],
        external_id="generation-1",
        agent_id="support",
        model="gpt-4.1-mini",
        occurred_at=FIRST_OF_MARCH,
        quality_score=0.75,
        tags=("billing", "de"),
        line=2,
    )


def test_reads_what_langfuse_writes_to_a_storage():
    row = {
        "id": "o1",
        "trace_id": "t1",
        "trace_name": "support",
        "type": "GENERATION",
        "start_time": "2026-03-01 00:00:00.000000",
        "provided_model_name": "gpt-4.1-mini",
        "input": json.dumps({"messages": [SYSTEM, ASKED]}),
        "output": json.dumps(ANSWERED),
        "tags": ["de"],
    }

    talk = talk_of(row, "langfuse")

    assert talk.messages == [SYSTEM, ASKED, ANSWERED]
    assert (talk.agent_id, talk.model, talk.occurred_at, talk.tags) == (
        "support",
        "gpt-4.1-mini",
        FIRST_OF_MARCH,
        ("de",),
    )


def test_reads_traces_of_langfuse():
    trace = {"id": "t1", "name": "support", "timestamp": "2026-03-01T01:00:00+01:00"}
    trace |= {"input": {"question": ASKED["content"]}, "output": ANSWERED["content"], "scores": ["id-1"]}

    talk = talk_of(trace, "langfuse")

    assert (talk.messages, talk.agent_id, talk.occurred_at) == ([ASKED, ANSWERED], "support", FIRST_OF_MARCH)


def test_says_which_scores_it_leaves_out():
    scores = [{"name": "stars", "value": 4}, {"name": "mood", "value": "good"}, {"name": "ok", "value": True}]

    (talk,), (problem,) = read(array(generation(scores=scores)), "langfuse")

    assert talk.quality_score == 1
    assert problem.found == "the score stars of 4, the score mood of good"


def test_refuses_observations_in_which_nobody_talks():
    assert refusal(generation(type="RETRIEVER"), "langfuse").pointer == "/type"
    assert refusal(run(run_type="tool"), "langsmith").pointer == "/run_type"


def test_reads_runs_of_langsmith():
    assert talk_of(run(), "langsmith") == Talk(
        messages=[ASKED, ANSWERED],
        external_id="run-1",
        model="gpt-4.1-mini",
        occurred_at=FIRST_OF_MARCH,
        quality_score=0.5,
        tags=("billing", "de"),
        line=2,
    )


RUNS = {
    "the vendor's client": ({"messages": [ASKED]}, {"id": "x", "choices": [{"message": ANSWERED}]}),
    "a message": ({"messages": [ASKED]}, ANSWERED),
    "plain messages": ({"messages": [{"type": "human", **ASKED}]}, {"messages": [ANSWERED]}),
    "messages as data": (
        [{"type": "human", "data": {"content": ASKED["content"]}}],
        {"output": {"type": "ai", "data": {"content": ANSWERED["content"]}}},
    ),
    "a chain": ({"input": ASKED["content"], "history": []}, {"output": ANSWERED["content"]}),
    "names of one's own": ({"frage": ASKED["content"]}, {"antwort": ANSWERED["content"]}),
    "a graph that repeats all": ({"messages": [ASKED]}, {"messages": [ASKED, ANSWERED]}),
    "only new messages": ({"messages": [ASKED]}, {"messages": [ANSWERED]}),
    "a model of texts": ({"prompts": ASKED["content"]}, {"generations": [[{"text": ANSWERED["content"]}]]}),
    "JSON as text": (json.dumps({"messages": [ASKED]}), json.dumps({"message": ANSWERED})),
}


@pytest.mark.parametrize(("inputs", "outputs"), RUNS.values(), ids=RUNS)
def test_reads_what_runs_are_asked_and_answer(inputs, outputs):
    value = run(run_type="chain", inputs=inputs, outputs=outputs)

    assert talk_of(value, "langsmith").messages == [ASKED, ANSWERED]


def test_reads_tool_calls_of_langchain():
    called = lang("AIMessage", "", tool_calls=[{"name": "find", "args": {"order": 7}, "id": "call_1"}])
    vendor = lang("AIMessageChunk", "", additional_kwargs={"tool_calls": [{**CALL, "index": 0}]})
    seen = lang("ToolMessage", "Monday", tool_call_id="call_1")
    asked = lang("HumanMessage", ASKED["content"])

    for call in (called, vendor):
        talk = talk_of(
            run(inputs={"messages": [[lang("SystemMessage", "Be brief."), asked, call, seen]]}), "langsmith"
        )
        assert talk.messages == [
            SYSTEM,
            ASKED,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "Monday", "tool_call_id": "call_1"},
            ANSWERED,
        ]


REFUSED_RUNS = {
    "no answer": ({"outputs": None}, "/outputs"),
    "an answer without words": ({"outputs": {"choices": []}}, "/outputs"),
    "no question": ({"inputs": {}}, "/inputs"),
    "several prompts at once": ({"inputs": {"messages": [[ASKED], [ASKED]]}}, "/inputs/messages/0"),
    "something that is no message": ({"inputs": {"messages": [ASKED, 7]}}, "/inputs/messages/1"),
    "no messages": ({"inputs": {"input": {"messages": [[]]}}}, "/inputs/input/messages/0"),
}


@pytest.mark.parametrize(("fields", "pointer"), REFUSED_RUNS.values(), ids=REFUSED_RUNS)
def test_says_where_a_run_is_no_conversation(fields, pointer):
    assert refusal(run(**fields), "langsmith").pointer == pointer


LIMITS = {
    "external id": completion(id="x" * 201),
    "model": completion(model="x" * 201),
    "messages": completion(messages=[ASKED] * 2049),
}


@pytest.mark.parametrize("value", LIMITS.values(), ids=LIMITS)
def test_refuses_what_a_conversation_cannot_hold(value):
    assert refusal(value, "openai").expected


def test_leaves_out_tags_that_are_too_long_or_too_many():
    tags = ["x" * 101, *map(str, range(51))]

    (talk,), (problem,) = read(array(run(tags=tags)), "langsmith")

    assert talk.tags == tuple(map(str, range(50)))
    assert problem.found == f"the tag {'x' * 40}…, the tag 50"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_772_323_200, FIRST_OF_MARCH),
        (1_772_323_200_000, FIRST_OF_MARCH),
        ("2026-03-01T00:00:00Z", FIRST_OF_MARCH),
        ("2026-03-01 00:00:00", FIRST_OF_MARCH),
    ],
)
def test_reads_times(value, expected):
    assert talk_of(run(start_time=value), "langsmith").occurred_at == expected


@pytest.mark.parametrize("value", ["yesterday", 1e300, [], True, -1e20])
def test_says_which_time_it_cannot_read(value):
    assert "the time" in left_out(run(start_time=value), "langsmith")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "user", "{", '{"a": 1}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def paths(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from paths(inner, (*path, key))


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_whatever_stands_anywhere_is_a_talk_or_a_problem(kind, data):
    """And what is taken is what the API would take."""
    value = MAKERS[kind]()
    wrong = put(value, data.draw(st.sampled_from(list(paths(value)))), data.draw(VALUES))

    # Behind a good line: as the first one an array would make it a file of another format.
    talks, problems = read(lines(MAKERS[kind](2), wrong), kind, "jsonl")

    errors = [problem for problem in problems if problem.is_error]
    assert len(talks) + len(errors) == 2
    for talk in talks:
        assert 0 < len(talk.external_id) <= 200
        assert all(isinstance(message["role"], str) and message["role"] for message in talk.messages)
        assert talk.quality_score is None or 0 <= talk.quality_score <= 1
