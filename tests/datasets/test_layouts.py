"""Rows of every layout: which it is, what becomes of them, and that the provider takes it."""

import io
import json

import pytest

from datasets.formats import Row, UnreadableRow
from datasets.layouts import LAYOUTS, TARGETS, Part, Plan
from datasets.layouts.columns import mapping_fault, suggest
from datasets.layouts.detecting import first_look
from datasets.layouts.reading import read_examples
from datasets.problems import Problem
from datasets.validation import check_row
from tests.datasets.hostile.corpus import GOOD_LINES


def lines(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def examples(data, format="jsonl", **plan):
    return list(read_examples(io.BytesIO(data), Plan(format=format, **plan)))


def look(data, format="jsonl"):
    return first_look(io.BytesIO(data), format, size=len(data))


def says(role, content, **fields):
    return {"role": role, "content": content, **fields}


ASKED = [says("user", "Q")]
TALK = [says("user", "Q"), says("assistant", "A")]
PAIR = {
    "input": {"messages": ASKED},
    "preferred_output": [says("assistant", "good")],
    "non_preferred_output": [says("assistant", "bad")],
}
TOOL = {"name": "look", "description": "Looks", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}

# A row, the layout that it is in, and what becomes of it; None where it stays as it is.
ROWS = {
    "chat": ({"messages": TALK, "tools": []}, "chat", None),
    "preference": (PAIR, "preference", None),
    "reinforcement": ({"messages": ASKED, "answer": "A"}, "reinforcement", None),
    "prompt and completion": ({"prompt": "Q", "completion": "A"}, "prompt_completion", {"messages": TALK}),
    "with a system prompt": (
        {"completion": "A", "prompt": "Q", "system": "S"},
        "prompt_completion",
        {"messages": [says("system", "S"), *TALK]},
    ),
    "alpaca": ({"instruction": "Q", "input": "", "output": "A"}, "alpaca", {"messages": TALK}),
    "alpaca with input": (
        {"instruction": "Add", "input": "1 + 1", "output": "2"},
        "alpaca",
        {"messages": [says("user", "Add\n1 + 1"), says("assistant", "2")]},
    ),
    "alpaca with history": (
        {"instruction": "Q", "output": "A", "system": "S", "history": [["q", "a"]]},
        "alpaca",
        {"messages": [says("system", "S"), says("user", "q"), says("assistant", "a"), *TALK]},
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        "sharegpt",
        {"messages": TALK},
    ),
    "sharegpt in the words of the chat API": (
        {"system": "S", "conversations": TALK},
        "sharegpt",
        {"messages": [says("system", "S"), *TALK]},
    ),
    "sharegpt with tools": (
        {
            "conversations": [
                {"from": "human", "value": "Q"},
                {"from": "function_call", "value": '{"name": "look", "arguments": {"at": 1}}'},
                {"from": "observation", "value": "seen"},
                {"from": "gpt", "value": "A", "weight": 1},
            ],
            "tools": json.dumps([TOOL]),
        },
        "sharegpt",
        {
            "messages": [
                says("user", "Q"),
                {"role": "assistant", "tool_calls": [CALL]},
                says("tool", "seen", tool_call_id="call_1"),
                says("assistant", "A", weight=1),
            ],
            "tools": [{"type": "function", "function": TOOL}],
        },
    ),
    "columns by other names": ({"Question": "Q", "answer": "A"}, "columns", {"messages": TALK}),
    "columns of a pair": ({"prompt": "Q", "chosen": "good", "rejected": "bad"}, "columns", PAIR),
}


@pytest.mark.parametrize(("row", "layout", "becomes"), ROWS.values(), ids=ROWS.keys())
def test_knows_the_layout_and_converts_the_row(row, layout, becomes):
    assert look(lines(row)).layout == layout
    assert examples(lines(row)) == [Row(line=1, value=becomes or row)]


@pytest.mark.parametrize(("row", "layout", "becomes"), ROWS.values(), ids=ROWS.keys())
def test_what_is_converted_is_valid(row, layout, becomes):
    [example] = examples(lines(row), layout=layout, columns=look(lines(row)).columns)

    assert check_row(example.value, line=1) == []


@pytest.mark.parametrize("layout", sorted({layout for _, layout, _ in ROWS.values()}))
def test_every_layout_is_tried(layout):
    assert layout in LAYOUTS


def test_the_layout_of_most_rows_is_that_of_the_file():
    alpaca = {"instruction": "Q", "output": "A"}

    assert look(lines({"messages": TALK}, alpaca, alpaca, {"else": 1})).layout == "alpaca"


@pytest.mark.parametrize("data", [b"", b"{broken\n", b"[1]\n", lines({"text": "A"})])
def test_what_is_in_no_layout_is_judged_as_chat(data):
    assert look(data).layout == "chat"


def test_looks_at_the_beginning_only():
    data = lines(*[{"messages": [says("user", "x" * 100_000)]}] * 15, *[PAIR] * 40)

    assert look(data).layout == "chat"


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("user,assistant", {"user": "user", "assistant": "assistant"}),
        ("Completion, Prompt ", {"Completion": "assistant", "Prompt": "user"}),
        ("id,question,answer,system", {"system": "system", "question": "user", "answer": "assistant"}),
        ("prompt,chosen,rejected", {"prompt": "user", "chosen": "preferred", "rejected": "rejected"}),
        ("messages,tools,id", {"messages": "messages", "tools": "tools"}),
        ("this,that", {}),
        ("question,id", {}),
    ],
)
def test_suggests_what_the_columns_are(header, columns):
    found = look(f"{header}\na,b\n".encode(), "csv")

    assert (found.layout, found.columns) == ("columns", columns)
    assert found.names == tuple(name.strip() for name in header.split(","))


@pytest.mark.parametrize(
    ("header", "layout"), [("prompt,completion", "prompt_completion"), ("instruction,input,output", "alpaca")]
)
def test_a_table_may_be_in_a_known_layout(header, layout):
    cells = ",".join("abc"[: header.count(",") + 1])

    assert look(f"{header}\n{cells}\n".encode(), "csv").layout == layout


@pytest.mark.parametrize(
    ("header", "record", "messages"),
    [
        ("prompt,completion", "Q,A", TALK),
        ("Completion, Prompt ", "A,Q", TALK),
        ("system,user,assistant", "S,Q,A", [says("system", "S"), *TALK]),
        ("prompt,completion,system", "Q,A,", TALK),
        ("messages", '"[{""role"": ""user"", ""content"": ""Q""}]"', ASKED),
    ],
)
def test_makes_a_conversation_of_a_row_of_a_table(header, record, messages):
    assert examples(f"{header}\n{record}\n".encode(), "csv") == [Row(line=2, value={"messages": messages})]


def test_says_once_that_a_column_is_not_used():
    problem, *rows = examples(b"id,prompt,completion\n1,Q,A\n2,Q,A\n", "csv")

    assert (problem.code, problem.severity, problem.line) == ("unused_column", "warning", 1)
    assert rows == [Row(line=2, value={"messages": TALK}), Row(line=3, value={"messages": TALK})]


def test_says_once_that_a_field_is_not_used():
    row = {"instruction": "Q", "output": "A", "a/b": 1}

    problem, *rows = examples(lines(row, row))

    assert (problem.code, problem.line, problem.pointer) == ("unused_column", 1, "/a~1b")
    assert len(rows) == 2


def test_says_when_it_names_no_more_fields_that_are_not_used():
    row = {"instruction": "Q", "output": "A", **{f"x{n}": 1 for n in range(300)}}

    *problems, _, _ = examples(lines(row, row))

    assert len(problems) == 101
    assert "More than 100 fields" in problems[-1].message


def test_does_not_go_on_without_the_columns_that_are_needed():
    [problem] = examples(
        b"this,that\na,b\n", "csv", layout="columns", columns={"this": "user", "x": "assistant"}
    )

    assert (problem.code, problem.line, problem.expected) == ("header", 1, "x")


BROKEN = {
    "no completion": ("prompt_completion", {"prompt": "Q"}, ""),
    "no output": ("alpaca", {"instruction": "Q"}, ""),
    "history no list": ("alpaca", {"instruction": "Q", "output": "A", "history": 1}, "/history"),
    "history no pair": ("alpaca", {"instruction": "Q", "output": "A", "history": [["q"]]}, "/history/0"),
    "no conversations": ("sharegpt", {"messages": TALK}, ""),
    "turn no object": ("sharegpt", {"conversations": ["Q"]}, "/conversations/0"),
    "call no JSON": (
        "sharegpt",
        {"conversations": [{"from": "function_call", "value": "{"}]},
        "/conversations/0/value",
    ),
    "call without a name": (
        "sharegpt",
        {"conversations": [{"from": "function_call", "value": "[{}]"}]},
        "/conversations/0/value",
    ),
    "tools no JSON": ("sharegpt", {"conversations": [], "tools": "{"}, "/tools"),
}


@pytest.mark.parametrize(("layout", "row", "pointer"), BROKEN.values(), ids=BROKEN.keys())
def test_says_what_a_row_lacks_and_goes_on(layout, row, pointer):
    good = next(row for row, name, _ in ROWS.values() if name == layout)

    broken, fine = examples(lines(row, good), layout=layout)

    assert isinstance(broken, UnreadableRow)
    assert (broken.line, broken.problem.code, broken.problem.pointer) == (1, "layout", pointer)
    assert broken.problem.expected
    assert isinstance(fine, Row)


@pytest.mark.parametrize(
    ("layout", "row"),
    [
        ("alpaca", {"instruction": 1, "output": None}),
        ("alpaca", {"instruction": "Q", "input": ["x"], "output": "A"}),
        ("prompt_completion", {"prompt": {}, "completion": 3}),
        ("sharegpt", {"conversations": [{"from": "robot", "value": "Q"}]}),
        ("sharegpt", {"conversations": [{"from": {}, "value": "Q"}, {}]}),
        ("sharegpt", {"conversations": [{"from": "observation", "value": "Q"}], "tools": "7"}),
    ],
)
def test_what_is_of_another_type_is_left_to_the_rules(layout, row):
    [example] = examples(lines(row), layout=layout)

    assert any(problem.is_error for problem in check_row(example.value, line=1))


def test_a_cell_that_holds_no_json_is_a_problem_of_its_row():
    broken, fine = examples(b'messages\n{\n"[{""role"": ""user""}]"\n', "csv")

    assert (broken.line, broken.problem.code) == (2, "invalid_json")
    assert isinstance(fine, Row)


def test_a_layout_can_be_chosen():
    row = {"prompt": "Q", "completion": "A", "instruction": "Add", "output": "2"}

    [_, _, alpaca] = examples(lines(row), layout="alpaca")
    [_, _, columns] = examples(
        lines(row), layout="columns", columns={"prompt": "user", "output": "assistant"}
    )

    assert alpaca.value["messages"] == [says("user", "Add"), says("assistant", "2")]
    assert columns.value["messages"] == [says("user", "Q"), says("assistant", "2")]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": "user"}, "do not make an example"),
        ({"a": "user", "b": "user"}, "only one can be"),
        ({"a": "robot"}, "nothing that a column can be"),
        ({"a": "user", "b": "assistant", "c": "system"}, ""),
        ({"a": "messages"}, ""),
    ],
)
def test_says_why_columns_cannot_be_mapped_so(columns, words):
    assert words in mapping_fault(columns)
    assert bool(words) == bool(mapping_fault(columns))


@pytest.mark.parametrize("names", [["user", "assistant"], ["prompt", "chosen", "rejected"], ["messages"]])
def test_a_suggestion_can_be_used(names):
    assert mapping_fault(suggest(names)) == ""
    assert set(suggest(names).values()) <= TARGETS.keys()


def joined(*files):
    """The files one behind the other, and the plan that tells them apart."""
    parts, first_line = [], 1
    for number, data in enumerate(files):
        parts.append(Part(name=f"{number}.jsonl", size=len(data), first_line=first_line))
        first_line += data.count(b"\n") + (not data.endswith(b"\n"))
    return b"".join(files), tuple(parts)


def test_reads_several_files_and_counts_lines_through_all():
    first, second = (
        b"\xef\xbb\xbf" + GOOD_LINES[0] + b"\n{broken",
        b"\xef\xbb\xbf" + GOOD_LINES[1] + b"\n\n[]",
    )
    data, parts = joined(first, second)
    plan = Plan(format="jsonl", layout="chat", parts=parts)

    readings = list(read_examples(io.BytesIO(data), plan))

    assert [reading.line for reading in readings] == [1, 1, 2, 3, 3, 4, 5]
    assert (readings[2].problem.code, readings[2].problem.line) == ("invalid_json", 2)
    assert [plan.place(line) for line in (2, 3, 5)] == [("0.jsonl", 2), ("1.jsonl", 1), ("1.jsonl", 3)]
    assert plan.place_in_words(5) == "line 3 of 1.jsonl"


def test_each_of_several_tables_has_its_header():
    data, parts = joined(b"prompt,completion\nQ,A\n", b"completion,prompt\nA,Q\n")

    assert examples(data, "csv", parts=parts) == [
        Row(line=2, value={"messages": TALK}),
        Row(line=4, value={"messages": TALK}),
    ]


def test_stops_at_more_rows_than_all_files_may_have(monkeypatch):
    monkeypatch.setattr("datasets.layouts.reading.MAX_ROWS", 5)
    data, parts = joined(b"1\n" * 4, b"1\n" * 4)

    *rows, last = examples(data, layout="chat", parts=parts)

    assert len(rows) == 5
    assert isinstance(last, Problem)
    assert last.code == "too_many_rows"


@pytest.mark.parametrize(
    ("plan", "method"),
    [
        (Plan(format="jsonl"), ""),
        (Plan(format="jsonl", layout="preference"), "dpo"),
        (Plan(format="jsonl", layout="alpaca"), "supervised"),
        (Plan(format="csv", layout="columns", columns={"a": "preferred"}), "dpo"),
        (Plan(format="csv", layout="columns", columns={"a": "user"}), "supervised"),
    ],
)
def test_knows_what_a_layout_trains(plan, method):
    assert plan.method == method


def test_only_single_files_of_the_vendors_rows_can_be_read_line_by_line():
    assert Plan(format="jsonl", layout="chat").is_plain
    assert not Plan(format="jsonl", layout="alpaca").is_plain
    assert not Plan(format="json", layout="chat").is_plain
    assert not Plan(format="jsonl", layout="chat", parts=(Part(name="a", size=1, first_line=1),)).is_plain
