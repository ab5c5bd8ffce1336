import io
import json
import tracemalloc
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.formats import MAX_ROW_BYTES, BlankRow, Header, Row, UnreadableRow, UnsupportedFile, sniff
from datasets.formats.rows import read_rows
from datasets.layouts import Plan
from datasets.layouts.reading import read_examples
from datasets.problems import Problem
from datasets.tally import Tally, judge
from datasets.validation import check_row, check_size
from tests.datasets.hostile.corpus import GOOD_FILE, GOOD_LINES, INVALID, REFUSED, VALID, chat, table, user

FORMATS = ("jsonl", "json", "csv")


class Trickle(io.BytesIO):
    """A file that hands out a few bytes at a time, as a network may."""

    def __init__(self, data, step):
        super().__init__(data)
        self.step = step

    def read(self, size=-1):
        return super().read(self.step)


class Blocks:
    """A file that is made while it is read."""

    def __init__(self, blocks):
        self.blocks = iter(blocks)

    def read(self, size):
        return next(self.blocks, b"")


def long_line(blocks):
    """A good row, a line of so many MB, and another good row."""
    return Blocks(chain([GOOD_LINES[0] + b"\n"], repeat(b"x" * 1_000_000, blocks), [b"\n" + GOOD_LINES[1]]))


def read(data, file_format="jsonl"):
    return list(read_rows(io.BytesIO(data), file_format))


def verdict(name, data):
    """The codes of all problems of a file, `blank` for blank rows."""
    codes, examples = set(), 0
    plan = Plan(format=sniff(data[:65536], name))
    for reading in read_examples(io.BytesIO(data), plan):
        if isinstance(reading, BlankRow):
            codes.add("blank")
        elif isinstance(reading, Row):
            problems = check_row(reading.value, line=reading.line)
            codes |= {problem.code for problem in problems}
            examples += not problems
        else:
            codes.add(reading.code if isinstance(reading, Problem) else reading.problem.code)
    return codes | {problem.code for problem in check_size(examples=examples)}


def cases(table_of_cases):
    return [pytest.param(*case[1:], id=case[0]) for case in table_of_cases]


@pytest.mark.parametrize(("name", "data", "code"), cases(REFUSED))
def test_refuses_at_upload(name, data, code):
    with pytest.raises(UnsupportedFile) as refusal:
        sniff(data, name)

    assert refusal.value.code == code


@pytest.mark.parametrize(("name", "data", "codes"), cases(INVALID))
def test_finds_what_is_wrong(name, data, codes):
    assert verdict(name, data) == codes


@pytest.mark.parametrize(("name", "data", "codes"), cases(VALID))
def test_accepts(name, data, codes):
    assert verdict(name, data) == codes


@pytest.mark.parametrize(
    ("name", "start", "declared", "expected"),
    [
        ("a.jsonl", b"[", None, "jsonl"),
        ("a.json", b"[", None, "json"),
        ("a.json", b'\xef\xbb\xbf\n {"messages"', None, "jsonl"),
        ("a.CSV", b"prompt", None, "csv"),
        ("a.json", b"prompt", "csv", "csv"),
    ],
)
def test_knows_the_format(name, start, declared, expected):
    assert sniff(start, name, declared) == expected


def test_refuses_a_declared_format_it_does_not_know():
    with pytest.raises(UnsupportedFile) as refusal:
        sniff(GOOD_FILE, "a.jsonl", "xml")

    assert refusal.value.code == "format"


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"])
def test_ends_lines_of_json_at_line_feeds_only(mark):
    data = chat(user("a@b")).replace(b"@", mark.encode()) + b"\n" + GOOD_LINES[0]

    rows = read(data)

    assert [row.line for row in rows] == [1, 2]


def test_names_the_line_of_a_broken_row():
    rows = read(b"\n\n" + GOOD_LINES[0] + b"\n{\n")

    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert rows[3].problem.code == "invalid_json"
    assert rows[3].problem.line == 4


def test_names_the_place_of_a_bad_value():
    [row] = read(b'{"messages": [{"a/b": {"c": NaN}}]}')

    assert row.problem.pointer == "/messages/0/a~1b/c"


def test_cuts_a_pointer_to_what_can_be_stored():
    [row] = read(b'{"%s": NaN}' % (b"k" * 10_000))

    assert len(row.problem.pointer) == 500


@pytest.mark.parametrize(("length", "kind"), [(MAX_ROW_BYTES, Row), (MAX_ROW_BYTES + 1, UnreadableRow)])
@pytest.mark.parametrize("step", [1_000_000, 4_194_303])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_allows_a_row_of_just_the_limit(length, kind, step, end):
    data = b'"' + b"a" * (length - 2) + b'"' + end

    [row] = read_rows(Trickle(data, step), "jsonl")

    assert type(row) is kind


def test_passes_over_a_90_mb_line_without_holding_it():
    tracemalloc.start()

    first, second, third = read_rows(long_line(90), "jsonl")

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000
    assert (second.line, second.problem.code) == (2, "line_too_long")
    assert isinstance(first, Row)
    assert isinstance(third, Row)


def test_passes_over_an_element_that_is_too_long():
    data = b"[" + GOOD_LINES[0] + b',\n"' + b"x" * (MAX_ROW_BYTES + 1) + b'",\n' + GOOD_LINES[1] + b"]"

    first, second, third = read(data, "json")

    assert (first.line, second.line, third.line) == (1, 2, 3)
    assert second.problem.code == "line_too_long"
    assert isinstance(third, Row)


@pytest.mark.parametrize("file_format", FORMATS)
def test_stops_at_more_rows_than_a_file_may_have(file_format, monkeypatch):
    for module in ("lines", "json_array"):
        monkeypatch.setattr(f"datasets.formats.{module}.MAX_ROWS", 20)
    rows = {"jsonl": b"1\n" * 30, "json": b"[" + b"1," * 30 + b"1]", "csv": table(*["a,b"] * 30)}

    readings = read(rows[file_format], file_format)

    assert readings[-1].code == "too_many_rows"
    assert len(readings) <= 22


def test_finds_the_element_after_a_broken_one():
    readings = read(b"[{]}, " + GOOD_LINES[0] + b', "a\\"]", [[1], 2]]', "json")

    assert [type(reading) for reading in readings] == [UnreadableRow, Row, Row, Row]


def test_numbers_elements_by_the_line_they_start_on():
    readings = read(b'\n[\n\n{"a":\n1},\n{"b": 2}, 3\n,4\n]\n', "json")

    assert [reading.line for reading in readings] == [4, 6, 6, 7]


def test_tells_the_elements_of_one_line_apart():
    tally = Tally(plan=Plan(format="json"))
    readings = read(b'[{"messages": []}, {"messages": 1}, {]', "json")

    found = [(problem.line, problem.pointer) for reading in readings for problem in judge(reading, tally)[1]]

    assert found == [(1, "/0/messages"), (1, "/1/messages"), (1, ""), (1, "/2")]


@pytest.mark.parametrize("data", [b"[]", b" [ \n ] "])
def test_finds_no_row_in_an_empty_array(data):
    assert read(data, "json") == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"prompt,completion\nq,a\n", {"prompt": "q", "completion": "a"}),
        (b'Completion, Prompt \n"a\n""b""",\n', {"Completion": 'a\n"b"', "Prompt": ""}),
    ],
)
def test_makes_an_object_of_a_csv_row(data, expected):
    header, row = read(data, "csv")

    assert header == Header(line=1, columns=tuple(expected))
    assert row.value == expected


def test_numbers_csv_rows_by_the_line_they_start_on():
    _, *rows = read(b'prompt,completion\n"a\nb",c\nd,e\nf\ng,"h\r\ni"\nj,k\n', "csv")

    assert [row.line for row in rows] == [2, 4, 5, 6, 8]


def test_goes_on_after_a_broken_csv_row():
    _, *rows = read(b'prompt,completion\n"a"b,c\nd\0,e\n\xff,f\ng,h\n', "csv")

    assert [row.problem.code for row in rows[:3]] == ["csv_quote", "nul", "encoding"]
    assert isinstance(rows[3], Row)


def test_limits_the_length_of_a_csv_row_of_many_lines(monkeypatch):
    monkeypatch.setattr("datasets.formats.csv_table.MAX_ROW_BYTES", 40)

    _, *rows = read(table('"a' + "\nb" * 20 + '",c'), "csv")

    assert all(isinstance(row, Row) for row in rows[:10])
    assert (rows[10].line, rows[10].problem.code) == (12, "line_too_long")


json_like = st.text(alphabet='[]{}",:\\\n\r \x001aé;').map(str.encode)


@given(st.one_of(st.binary(), json_like), st.sampled_from(FORMATS))
def test_never_raises_for_what_a_file_holds(data, file_format):
    for reading in read_rows(io.BytesIO(data), file_format):
        problem = reading if isinstance(reading, Problem) else getattr(reading, "problem", None)
        assert problem is None or "\0" not in "".join(map(str, vars(problem).values()))


@given(st.one_of(st.binary(), json_like, st.just(table('"a\r\nb",c')), st.just(rb'[{"a\"]": "\\"}, 1]')),
       st.integers(1, 9), st.sampled_from(FORMATS))  # fmt: skip
def test_reads_the_same_whatever_the_size_of_the_blocks(data, step, file_format):
    readings = list(read_rows(Trickle(data, step), file_format))

    assert readings == read(data, file_format)


@given(
    st.lists(st.one_of(st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
)
def test_takes_any_array_apart_into_its_elements(elements):
    storable = json.loads(json.dumps(elements).replace("\\u0000", "").encode())

    readings = read(json.dumps(storable, indent=1).encode(), "json")

    assert [reading.value for reading in readings] == storable
