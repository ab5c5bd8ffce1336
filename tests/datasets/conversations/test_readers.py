"""What becomes of exports: every element is a conversation or a problem that says where and why."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.conversation_files import KINDS
from datasets.conversation_files.reading import kind_of
from tests.datasets.conversations.exports import (
    ANSWERED,
    ASKED,
    MAKERS,
    array,
    completion,
    generation,
    lines,
    run,
    table,
)
from tests.datasets.conversations.readings import FIRST_OF_MARCH, left_out, read, refusal, talk_of

WRITERS = {"json": array, "jsonl": lines, "csv": table}


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
