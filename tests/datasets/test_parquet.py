"""Parquet files, made with PyArrow: rows, limits and damage."""

import datetime
import decimal
import io
import random
import tracemalloc

import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets.formats import MAX_ROW_BYTES, Row, UnreadableRow, UnsupportedFile, sniff
from datasets.formats.rows import count_lines, read_rows
from datasets.layouts import Plan
from datasets.layouts.reading import read_examples
from datasets.problems import Problem

TALK = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]


def table(rows, **options):
    file = io.BytesIO()
    parquet.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), file, **options)
    return file.getvalue()


def read(data):
    return list(read_rows(io.BytesIO(data), "parquet"))


def examples(data, **plan):
    return list(read_examples(io.BytesIO(data), Plan(format="parquet", **plan)))


def test_knows_the_format_by_its_first_bytes():
    assert sniff(b"PAR1....", "a.parquet") == "parquet"
    for head, name in [(b"PAR1....", "a.jsonl"), (b"{}", "a.parquet"), (b"\x1f\x8b", "a.parquet")]:
        with pytest.raises(UnsupportedFile):
            sniff(head, name)


def test_refuses_more_columns_than_anybody_can_map():
    [problem] = read(table([{f"c{n}": n for n in range(401)}]))

    assert (problem.code, problem.found) == ("header", "401")


def test_reads_conversations_as_they_are():
    weighted = [TALK[0], {**TALK[1], "weight": 1}]

    rows = examples(table([{"messages": TALK}, {"messages": weighted}]))

    assert rows == [Row(line=1, value={"messages": TALK}), Row(line=2, value={"messages": weighted})]


def test_numbers_rows_through_all_groups():
    header, *rows = read(table([{"prompt": str(n)} for n in range(50)], row_group_size=7))

    assert header.columns == ("prompt",)
    assert [(row.line, row.value) for row in rows] == [(n + 1, {"prompt": str(n)}) for n in range(50)]


def test_maps_columns_and_says_which_are_not_used():
    unused, row = examples(table([{"id": 7, "question": "Q", "answer": "A"}]))

    assert (unused.code, row.value) == ("unused_column", {"messages": TALK})


def test_leaves_out_columns_beside_the_conversation():
    problems = [
        reading.code
        for reading in examples(table([{"id": 7, "messages": TALK}]))
        if isinstance(reading, Problem)
    ]

    assert problems == ["unused_column"]


def test_writes_other_types_as_text():
    row = {"day": datetime.date(2026, 1, 2), "sum": decimal.Decimal("1.50"), "raw": b"text", "no": None}

    [_, reading] = read(table([row]))

    assert reading.value == {"day": "2026-01-02", "sum": "1.50", "raw": "text"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "non_finite"),
        (b"\xff", "encoding"),
        ("a\0", "nul"),
        ("x" * MAX_ROW_BYTES, "line_too_long"),
    ],
)
def test_judges_a_row_as_in_json_lines(value, code):
    _, broken = read(table([{"prompt": value}]))

    assert isinstance(broken, UnreadableRow)
    assert (broken.line, broken.problem.code) == (1, code)


def test_refuses_a_name_that_occurs_twice():
    _, broken = read(table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"])))

    assert broken.problem.code == "duplicate_key"


def bomb(rows):
    """A few kilobytes that unpack to so many rows of 3 MB."""
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 3_000_000]))
    return table(pa.table({"prompt": cells}), compression="zstd")


def test_stops_where_a_small_file_unpacks_to_a_large_one(monkeypatch):
    monkeypatch.setattr("datasets.formats.parquet.MAX_UNPACKED_BYTES", 100_000_000)
    data = bomb(10_000)
    tracemalloc.start()

    *rows, last = [
        reading if isinstance(reading, Problem) else None
        for reading in read_rows(io.BytesIO(data), "parquet")
    ]

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert last.code == "unpacked_size"
    assert len(rows) < 40
    assert peak < 64_000_000


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + bytes(50) + b"PAR1", table([{"a": 1}])[:-9]])
def test_says_that_a_file_is_damaged(data):
    assert [reading.code for reading in read(data)] == ["parquet"]
    assert count_lines(io.BytesIO(data), "parquet") == 0


def test_never_raises_for_a_damaged_file():
    good = table([{"messages": TALK, "id": n, "x": 1.5} for n in range(40)], compression="snappy")
    chance = random.Random(1)

    for _ in range(20):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        readings = examples(bytes(data), layout="chat")
        assert all(isinstance(reading, Row | UnreadableRow | Problem) for reading in readings)


def test_survives_a_file_that_ends_its_reader(monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import os\nprint('[]\\n{}', flush=True)\nos.abort()\n")
    monkeypatch.setattr("datasets.formats.parquet.PROGRAM", program)

    header, row, damaged = read(b"PAR1")

    assert (header.columns, row.value) == ((), {})
    assert (damaged.code, damaged.line) == ("parquet", 2)


def list_of(values):
    """One row with a list of so many nulls, in less than a kilobyte."""
    cell = pa.ListArray.from_arrays(pa.array([0, values], pa.int32()), pa.nulls(values, pa.int8()))
    return table(pa.table({"prompt": cell}), compression="zstd")


def test_makes_no_row_of_a_list_that_is_too_long():
    data = list_of(MAX_ROW_BYTES)

    _, broken = read(data)

    assert len(data) < 1_000
    assert broken.problem.code == "line_too_long"


def test_the_reader_has_a_limit_of_memory():
    _, problem = read(list_of(60_000_000))

    assert problem.code == "parquet"
    assert "Memory" in problem.found


def test_counts_rows():
    assert count_lines(io.BytesIO(table([{"a": 1}] * 30, row_group_size=7)), "parquet") == 30
