"""The fast way of reading a line and the precise one give the same verdict, count and example."""

import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets.formats.blocks import LINES_AT_ONCE
from datasets.formats.jsonl import read_jsonl
from datasets.layouts import Plan
from datasets.tally import Tally, judged
from datasets.validation.plain import plain_row, read_blocks
from tests.datasets.hostile.corpus import GOOD_LINES, INVALID, READ, VALID, assistant, chat, user

PAIR = json.dumps(
    {
        "input": {"messages": [user("Which one?")]},
        "preferred_output": [assistant("This one.")],
        "non_preferred_output": [assistant("That one.")],
    }
).encode()


def judge(blocks):
    """All that a reading comes to, in comparable form."""
    tally = Tally(plan=Plan(format="jsonl"))
    stored = [
        (row.line, json.loads(row.messages), json.loads(row.attributes), row.tokens)
        for row in judged(blocks, tally)
    ]
    numbers = (tally.method, tally.lines, tally.examples, tally.rejected, tally.blank, tally.tokens)
    return numbers, tally.report, stored, tally.quality.dump()


def assert_same(content):
    precisely = ([reading] for reading in read_jsonl(io.BytesIO(content)))
    assert judge(read_blocks(io.BytesIO(content))) == judge(precisely)


SNAGS = [
    "",
    " ",
    " x",
    "x\u2003",
    "\nx",
    "role",
    '"',
    "\\",
    '\\"',
    'a"role"',
    "a <|im_end|>",
    "\0",
    "I can't help.",
]
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([*SNAGS, "Mail ann@acme.io"]))
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer", "robot"])
VALUES = st.one_of(TEXTS, st.none(), st.booleans(), st.sampled_from([0, 1, 2, 0.0, 1.0, 1e300]), st.just([]))
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": ROLES, "content": TEXTS}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXTS, "weight": VALUES}),
    st.fixed_dictionaries({"role": ROLES, "content": VALUES}, optional={"name": VALUES, "weight": VALUES}),
)
CHATS = st.lists(MESSAGES, max_size=4)
# One thing at most is wrong with these.
NEARLY_PLAIN = st.builds(
    lambda weight, text, answer: [user("Well?"), assistant("Yes.", weight=weight), user(text), answer],
    st.sampled_from([0, 1, 1, 1]),
    st.one_of(st.just("So?"), TEXTS),
    st.builds(assistant, st.one_of(st.just("Yes."), TEXTS)),
)
ROWS = st.one_of(
    st.fixed_dictionaries({"messages": NEARLY_PLAIN}),
    st.fixed_dictionaries({"messages": NEARLY_PLAIN}),
    st.fixed_dictionaries({"messages": NEARLY_PLAIN}),
    st.fixed_dictionaries({"messages": CHATS}, optional={"tools": st.just([]), "x": VALUES}),
    st.fixed_dictionaries(
        {
            "input": st.fixed_dictionaries({"messages": CHATS}, optional={"tools": st.just([])}),
            "preferred_output": st.lists(MESSAGES, max_size=2),
            "non_preferred_output": st.lists(MESSAGES, max_size=2),
        }
    ),
    VALUES,
)
# What msgspec or a count of quotes might take for something else.
REPLACEMENTS = st.sampled_from(
    [
        (b'"role"', b'"r\\u006fle"'),
        (b'"role"', b'"role": "user", "role"'),
        (b'"content"', b'"\\u0063ontent": "x", "content"'),
        (b'"messages"', b'"messages": [], "messages"'),
        (b"Yes.", b"\\u0022\\u0022Yes."),
        (b"Yes.", b"\\ud800"),
        (b"Yes.", b"\\u0000"),
        (b"Yes.", b"\xed\xa0\x80"),
        (b"Yes.", b"\xff"),
        (b"Yes.", b"Yes.\t"),
        (b"1", b"1e400"),
        (b"1", b"-0"),
        (b"1", b"9" * 401),
        (b"1", b"NaN"),
        (b"1", b"01"),
        (b"}", b"},"),
        (b"{", b" {\r"),
        (b'"', b"'"),
        (b"[", b"["),
        (b"[", b"[" * 40),
        (b":", b":\x0b"),
    ]
)


@st.composite
def lines(draw):
    row = json.dumps(draw(ROWS), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for old, new in draw(st.lists(REPLACEMENTS, max_size=3)):
        row = row.replace(old, new, draw(st.integers(1, 2)))
    return row


FILES = st.lists(
    st.one_of(lines(), st.sampled_from([*GOOD_LINES, PAIR, b"", b" \r", b"[", b"null"])), max_size=6
).map(b"\n".join)


@settings(max_examples=1_000)
@given(content=FILES, end=st.sampled_from([b"", b"\n"]), start=st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"]))
@example(content=b'[{"messages": []}]', end=b"", start=b"")
@example(content="{}".encode("utf-16"), end=b"", start=b"")
def test_gives_the_verdict_of_the_precise_way(content, end, start):
    assert_same(start + content + end)


@settings(max_examples=500)
@given(data=st.data())
def test_gives_the_same_verdict_of_lines_in_which_bytes_were_changed(data):
    line = bytearray(data.draw(st.sampled_from([*GOOD_LINES[:2], PAIR])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(line) - 1))
        line[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b'"', b"\\", b"\\u00", b"{", b",", b"0"]))
        )

    assert_same(bytes(line))


@pytest.mark.parametrize(
    "content",
    [pytest.param(case[2], id=case[0]) for case in [*INVALID, *VALID, *READ] if case[1].endswith("l")],
)
def test_gives_the_same_verdict_of_hostile_files(content):
    assert_same(content)


@pytest.mark.parametrize("limits", [{"BLOCK_BYTES": 7}, {"LINES_AT_ONCE": 2}])
@pytest.mark.parametrize(
    "content",
    [
        b"\n".join(GOOD_LINES[:7]),
        b"\xef\xbb\xbf" + GOOD_LINES[0] + b"\n\n{}\n\n" + PAIR,
        b"\n\n\n[" + GOOD_LINES[0] + b"]",
        b"\n\n" + GOOD_LINES[0] + b"\n[" + GOOD_LINES[0] + b"]",
        GOOD_LINES[0] + b"\n\n\xef\xbb\xbf" + GOOD_LINES[0],
        b"\n" * 5,
        b"",
    ],
)
def test_gives_the_same_verdict_wherever_a_block_ends(monkeypatch, content, limits):
    for name, limit in limits.items():
        monkeypatch.setattr(f"datasets.formats.blocks.{name}", limit)
    for module in ("datasets.validation.plain", "datasets.formats.lines"):
        monkeypatch.setattr(f"{module}.MAX_ROWS", 4)

    assert_same(content)


def test_holds_few_rows_at_a_time_however_short_they_are():
    blocks = [len(block) for block in read_blocks(io.BytesIO(b"x\n" * 2_500))]

    assert blocks == [LINES_AT_ONCE, LINES_AT_ONCE, 500]


@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_rejects_rows_of_another_kind_in_both_ways(method):
    first, other = (GOOD_LINES[0], PAIR) if method == "supervised" else (PAIR, GOOD_LINES[0])
    content = b"\n".join([first, other, first])

    assert judge(read_blocks(io.BytesIO(content)))[1].counts["mixed_methods"] == 1
    assert_same(content)


def test_counts_a_long_example_in_both_ways():
    long = chat(user("word " * 70_000), assistant())

    assert judge(read_blocks(io.BytesIO(long)))[1].counts["truncated"] == 1
    assert_same(long)


@pytest.mark.parametrize("line", [GOOD_LINES[0], PAIR, chat(user("a\\"), assistant("b", weight=1))])
def test_takes_what_is_plain_for_plain(line):
    row = plain_row(line, line=3)

    assert row.as_json() == json.loads(line)
    assert row.line == 3


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(chat(user(), assistant(), tools=[]), id="tools"),
        pytest.param(chat(user(), assistant(" Hello")), id="white space"),
        pytest.param(chat(user(), assistant(weight=0)), id="nothing to learn"),
        pytest.param(chat(user() | {"name": "ann"}, assistant()), id="name"),
        pytest.param(chat(*[user()] * 1_000, assistant()), id="too many"),
        pytest.param(GOOD_LINES[0].replace(b'"role"', b'"role": "user", "r\\u006fle"', 1), id="key twice"),
        pytest.param(
            GOOD_LINES[0].replace(b'"role"', b'"role": "user", "role"', 1).replace(b"Hello", b"\\u0022" * 4),
            id="key twice, quotes as numbers",
        ),
        pytest.param(PAIR.replace(b"That", b"This"), id="same answers"),
        pytest.param(PAIR.replace(b'"input"', b'"input": 1, "input"'), id="input twice"),
    ],
)
def test_leaves_what_may_be_wrong_to_the_precise_way(line):
    assert plain_row(line, line=1) is None
