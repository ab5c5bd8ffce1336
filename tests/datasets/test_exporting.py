"""What is exported can be uploaded again and says the same."""

import asyncio
import csv
import io
import json

import pytest

from datasets.exporting import FORMATS, NotExportable, NothingStored, export_dataset
from datasets.layouts_out import NotRepresentable, sharegpt
from datasets.training_files import row_of
from finetuning.downloads import Download
from finetuning.inert import csv_row, inert
from tests.datasets.conftest import lines, row
from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db

SYSTEM = {"role": "system", "content": "Be kind."}
WITH_SYSTEM = {"messages": [SYSTEM, *row(0)["messages"]]}
LONG = {"messages": [*row(1)["messages"], *row(2)["messages"]]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
WITH_CALL = {
    "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        {"role": "assistant", "content": "I see", "weight": 1},
    ],
    "tools": [TOOL],
}


def exported(dataset, file_format):
    return b"".join(export_dataset(dataset, file_format))


def test_json_lines_are_the_stored_file_byte_by_byte(uploaded):
    content = b'\xef\xbb\xbf{ "messages":' + json.dumps(row(0)["messages"]).encode() + b"}\r\n\n{broken\n"

    assert exported(uploaded(content + lines(*map(row, range(10)))), "jsonl") == content + lines(
        *map(row, range(10))
    )


def test_a_stored_array_is_exported_byte_by_byte(uploaded):
    content = json.dumps([row(n) for n in range(10)], indent=3).encode()

    assert exported(uploaded(content, name="all.json"), "json") == content


@pytest.mark.parametrize("file_format", ["jsonl", "json", "csv"])
def test_what_is_exported_can_be_uploaded_again(uploaded, file_format):
    rows = [WITH_SYSTEM, *map(row, range(1, 12))]
    name = "a.json" if file_format == "jsonl" else "a.jsonl"
    dataset = uploaded(json.dumps(rows).encode() if file_format == "jsonl" else lines(*rows), name=name)

    again = uploaded(exported(dataset, file_format), name=f"again.{FORMATS[file_format].suffix}")

    assert (again.status, again.format) == ("valid", file_format)
    assert [row_of(example) for example in again.examples.order_by("position")] == rows


def test_writes_csv_of_messages(uploaded):
    dataset = uploaded(lines(WITH_CALL, *map(row, range(10))))

    first, second, *_ = csv.DictReader(io.StringIO(exported(dataset, "csv_messages").decode()))

    assert {key: json.loads(value) for key, value in first.items()} == WITH_CALL
    assert {key: json.loads(value) for key, value in second.items()} == {**row(0), "tools": []}


def test_writes_alpaca(uploaded):
    dataset = uploaded(lines(WITH_SYSTEM, LONG, *map(row, range(10))))

    first, second, *_ = json.loads(exported(dataset, "alpaca"))

    assert first == {"instruction": "Question 0?", "input": "", "output": "Answer 0.", "system": "Be kind."}
    assert second == {
        "instruction": "Question 2?",
        "input": "",
        "output": "Answer 2.",
        "history": [["Question 1?", "Answer 1."]],
    }


def test_writes_sharegpt(uploaded):
    dataset = uploaded(lines(WITH_SYSTEM, WITH_CALL, *map(row, range(10))))

    first, second, *_ = json.loads(exported(dataset, "sharegpt"))

    assert first == {
        "system": "Be kind.",
        "conversations": [
            {"from": "human", "value": "Question 0?"},
            {"from": "gpt", "value": "Answer 0."},
        ],
    }
    assert second["conversations"][1:] == [
        {"from": "function_call", "value": '{"name": "look", "arguments": {"at": 1}}'},
        {"from": "observation", "value": "seen"},
        {"from": "gpt", "value": "I see", "weight": 1},
    ]
    assert json.loads(second["tools"]) == [TOOL["function"]]


@pytest.mark.parametrize(
    ("one", "file_format", "words"),
    [
        (LONG, "csv", "not one question with its answer"),
        (WITH_CALL, "csv", "no place for `tools`"),
        (WITH_CALL, "alpaca", "no place for `tools`"),
        ({**row(1), "parallel_tool_calls": True, "tools": [TOOL]}, "sharegpt", "`parallel_tool_calls`"),
        (
            {"messages": [{**row(1)["messages"][0], "name": "ann"}, row(1)["messages"][1]]},
            "sharegpt",
            "no place for `name`",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                    row(1)["messages"][1],
                ]
            },
            "alpaca",
            "not plain text",
        ),
    ],
)
def test_names_the_line_that_does_not_fit(uploaded, one, file_format, words):
    dataset = uploaded(lines(*map(row, range(10))) + b"\n" + lines(one))

    with pytest.raises(NotExportable) as refusal:
        export_dataset(dataset, file_format)

    assert refusal.value.message.startswith("Line 12 does not fit into ")
    assert words in refusal.value.message


def test_refuses_answers_of_tools_in_another_order():
    calls = [{**CALL, "id": name} for name in "ab"]
    answers = [{"role": "tool", "tool_call_id": name, "content": name} for name in "ba"]

    with pytest.raises(NotRepresentable):
        sharegpt({"messages": [{"role": "assistant", "tool_calls": calls}, *answers]})


def test_exports_nothing_that_was_not_read(organization):
    with pytest.raises(NothingStored):
        export_dataset(DatasetFactory(organization=organization, status="processing"), "jsonl")


LIVE = [
    *(f"{start}cmd|' /C calc'!A0" for start in "=+-@\t\r\n＝＋－＠"),
    *(f"{before}=1+1" for before in (" ", "  ", "\ufeff", '"', "'", "\"'", "\u00a0", "\u3000", "\u200b")),
    *('=HYPERLINK("http://x")', "@SUM(1)", "-2+3", "+1", "\t=1", "\r=1", "\n=1", ' "=1', "\ufeff@x"),
]


@pytest.mark.parametrize("payload", LIVE)
def test_no_cell_of_csv_is_run_by_a_spreadsheet(payload):
    [[cell]] = csv.reader(io.StringIO(csv_row([payload]).decode(), newline=""))

    assert cell == f"'{payload}"


@pytest.mark.parametrize("text", ["", "a", "1", "a=1", "Hello - there", "(x)", "«=»"])
def test_leaves_other_cells_alone(text):
    assert inert(text) == text


def test_a_download_is_saved_and_not_shown(uploaded):
    answer = Download([b"x"], name='a"\r\nSet-Cookie: x', suffix="csv", content_type="text/csv")

    assert answer["Content-Disposition"] == 'attachment; filename="a-set-cookie-x.csv"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_server_gets_a_download_piece_by_piece():
    made = []

    def pieces():
        for number in range(3):
            made.append(number)
            yield b"%d" % number

    async def receive():
        received = []
        async for piece in Download(pieces(), name="a", suffix="b", content_type="text/plain"):
            received.append((piece, len(made)))
        return received

    assert asyncio.run(receive()) == [(b"0", 1), (b"1", 2), (b"2", 3)]


@pytest.mark.parametrize("file_format", ["jsonl", "json", "csv", "csv_messages", "sharegpt", "alpaca"])
def test_fields_that_are_null_are_fields_that_are_not_there(uploaded, file_format):
    answer = {"role": "assistant", "content": "Yes.", "tool_calls": None, "refusal": None, "name": None}
    rows = [
        {
            "messages": [row(n)["messages"][0] | {"tool_call_id": None}, answer],
            "tools": None,
            "functions": None,
        }
        for n in range(12)
    ]
    dataset = uploaded(lines(*rows))
    assert dataset.status == "valid"

    again = uploaded(exported(dataset, file_format), name=f"again.{FORMATS[file_format].suffix}")

    assert again.status == "valid"
    assert again.total_tokens == dataset.total_tokens
