import pytest
from hypothesis import given

from datasets.validation import check_row
from datasets.validation.repairs import REPAIRABLE, repair, repair_row
from tests.datasets.hostile.corpus import assistant, user
from tests.datasets.test_validation import CALL, GRADED, PAIR, TOOL, calling, chat, rows

FUNCTION = TOOL["function"]


def called(**fields):
    """A row in which a tool is called and answers; `fields` replace those of the tool's message."""
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "3"} | fields
    return chat(user(), assistant(tool_calls=[CALL]), answer, assistant(), tools=[TOOL])


@pytest.mark.parametrize(
    ("code", "row", "mended"),
    [
        ("unknown_field", chat(user(), assistant(), split="train"), chat(user(), assistant())),
        ("unknown_field", chat(user(), assistant(), Tools=[TOOL]), chat(user(), assistant(), tools=[TOOL])),
        ("role", chat({"role": " User", "content": "Hi"}, assistant()), chat(user(), assistant())),
        ("role", chat({"role": "human", "content": "Hi"}, assistant()), chat(user(), assistant())),
        (
            "role",
            chat({"role": "developer", "content": "Hi"}, assistant()),
            chat({"role": "system", "content": "Hi"}, assistant()),
        ),
        (
            "role",
            GRADED | {"messages": [{"role": "system", "content": "Hi"}, user()]},
            GRADED | {"messages": [{"role": "developer", "content": "Hi"}, user()]},
        ),
        ("content", chat(user(7), assistant()), chat(user("7"), assistant())),
        ("content", chat(user(["Hi"]), assistant()), chat(user([{"type": "text", "text": "Hi"}]), assistant())),
        (
            "content",
            chat(user([{"type": "input_text", "text": "Hi"}]), assistant()),
            chat(user([{"type": "text", "text": "Hi"}]), assistant()),
        ),
        ("weight", chat(user(), assistant(weight="1")), chat(user(), assistant(weight=1))),
        ("weight", chat(user(), assistant(weight=True)), chat(user(), assistant(weight=1))),
        ("weight", chat(user(), assistant(weight=None)), chat(user(), assistant())),
        ("weight", chat(user() | {"weight": 0}, assistant()), chat(user(), assistant())),
        ("name", chat(user() | {"name": 7}, assistant()), chat(user() | {"name": "7"}, assistant())),
        ("name", chat(user() | {"name": ""}, assistant()), chat(user(), assistant())),
        ("name_pattern", chat(user() | {"name": "a b"}, assistant()), chat(user() | {"name": "a_b"}, assistant())),
        ("refusal", chat(user() | {"refusal": ""}, assistant()), chat(user(), assistant())),
        ("tool_calls", chat(user(), assistant(tool_calls=[])), chat(user(), assistant())),
        ("tool_calls", calling({"a": 1}), calling('{"a": 1}')),
        ("function_call",
         chat(user(), assistant(function_call={"name": "add", "arguments": {}}), functions=[FUNCTION]),
         chat(user(), assistant(function_call={"name": "add", "arguments": "{}"}), functions=[FUNCTION])),
        ("arguments_json", calling("{'a': True}"), calling('{"a": true}')),
        ("tool_call_id", called(tool_call_id="other"), called()),
        ("tool_call_id", chat(user() | {"tool_call_id": "a"}, assistant()), chat(user(), assistant())),
        ("tools", chat(user(), assistant(), tools=[FUNCTION]), chat(user(), assistant(), tools=[TOOL])),
        ("tools", chat(user(), assistant(), tools=TOOL), chat(user(), assistant(), tools=[TOOL])),
        ("tools", chat(user(), assistant(), parallel_tool_calls="False"),
         chat(user(), assistant(), parallel_tool_calls=False)),
        ("special_token", chat(user("Hi<|im_end|>"), assistant()), chat(user(), assistant())),
        ("white_space", chat(user(), assistant(" Hello\n")), chat(user(), assistant())),
        ("messages", PAIR | {"preferred_output": "Good"}, PAIR),
        ("messages", PAIR | {"preferred_output": assistant("Good")}, PAIR),
        ("messages", PAIR | {"input": "Hi"}, PAIR | {"input": {"messages": [user()]}}),
    ],
)  # fmt: skip
def test_mends_what_is_plain(code, row, mended):
    repaired = repair_row(row, line=3)

    assert [problem.code for problem in repaired.mended] == [code]
    assert (repaired.value, repaired.left) == (mended, [])


def test_gives_calls_without_an_id_one_and_their_answers_the_same():
    row = called(tool_call_id=None)
    row["messages"][1] = assistant(tool_calls=[{"function": CALL["function"]}])

    repaired = repair_row(row, line=1).value["messages"]

    assert repaired[1]["tool_calls"][0] == {**CALL, "id": "call_1_0"}
    assert repaired[2]["tool_call_id"] == "call_1_0"


def test_looks_past_an_id_of_an_odd_kind():
    row = called(tool_call_id="other")
    row["messages"].insert(3, row["messages"][2] | {"tool_call_id": []})

    assert repair_row(row, line=1).value["messages"][2]["tool_call_id"] == "call_1"


@pytest.mark.parametrize("key", ["preferred", "non_preferred"])
def test_knows_the_names_of_an_older_description(key):
    row = {name: value for name, value in PAIR.items() if name != f"{key}_output"}
    row[f"{key}_completion"] = PAIR[f"{key}_output"]

    assert repair_row(row, line=1).value == PAIR


@pytest.mark.parametrize(
    "row",
    [
        chat(assistant(), user()),
        chat(user(None), assistant()),
        chat(user(), assistant("")),
        chat(user(), assistant(weight=0)),
        chat(user(), assistant(weight=7)),
        chat(user(), assistant(tool_calls=[CALL]), assistant(), tools=[TOOL]),
        calling("{a: b}"),
        [],
    ],
)
def test_leaves_what_only_the_author_knows(row):
    repaired = repair_row(row, line=1)

    assert repaired.value is row
    assert repaired.mended == []
    assert repaired.left == check_row(row, line=1) != []


@given(rows)
def test_mends_what_it_says_and_never_what_was_right(row):
    before = repr(row)

    repaired = repair_row(row, line=1)

    assert repr(row) == before
    assert repaired.left == check_row(repaired.value, line=1)
    assert {problem.code for problem in repaired.mended} <= REPAIRABLE
    assert repair_row(repaired.value, line=1).mended == []


@given(rows)
def test_repairs_single_problems_of_a_copy(row):
    before = repr(row)

    for problem in check_row(row, line=1):
        repair(row, problem)

    assert repr(row) == before
