"""CSV as a table of texts: the first row names the columns, each row after it is an object with these keys.

RFC 4180: commas, double quotes, quotes inside doubled, line breaks allowed between quotes. What the columns
mean is said by the layout (`datasets.layouts`).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from datasets.formats import (
    MAX_COLUMNS,
    MAX_ROW_BYTES,
    BlankRow,
    Header,
    RawReading,
    Readable,
    Row,
    UnreadableRow,
)
from datasets.formats.lines import LF_OR_CR, text_lines, too_long, too_many_columns
from datasets.problems import Problem
from finetuning.strict_json import shown

# The csv module's own limit (csv.field_size_limit), which nothing here changes.
MAX_FIELD_CHARACTERS = 131_072


def read_csv(file: Readable) -> Iterator[RawReading]:
    """The header of `file`, and what its rows hold; see `datasets.formats`. Nothing after a bad header."""
    source = _Source(file)
    columns: tuple[str, ...] = ()
    for record in _records(source):
        yield from source.take_file_problems()
        if isinstance(record, UnreadableRow) and not columns:
            yield record.problem
            return
        if not isinstance(record, _Record):
            yield record
        elif columns:
            yield _row(columns, record)
        else:
            columns = tuple(name.strip() for name in record.fields)
            if problem := _header_problem(columns, line=record.line):
                yield problem
                return
            yield Header(line=record.line, columns=columns)
    yield from source.take_file_problems()


@dataclass(frozen=True)
class _Record:
    line: int
    fields: list[str]


class _RowTooLong(Exception):
    """The lines of one row are together longer than a row may be."""


class _Source:
    """The lines of the file as text, for the csv module. Notes what is wrong with them on the way."""

    def __init__(self, file: Readable) -> None:
        self._lines = text_lines(file, LF_OR_CR)
        self._file_problems: list[Problem] = []
        self._row_bytes = 0
        self.line = 0
        self.flaw: Problem | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        while isinstance(line, Problem):
            self._file_problems.append(line)
            line = next(self._lines)
        self.line = line.number
        self._row_bytes += len(line.content or b"")
        if line.content is None or self._row_bytes > MAX_ROW_BYTES:
            raise _RowTooLong
        return self._text(line.content)

    def start_row(self) -> None:
        self._row_bytes = 0
        self.flaw = None

    def take_file_problems(self) -> list[Problem]:
        problems, self._file_problems = self._file_problems, []
        return problems

    def _text(self, content: bytes) -> str:
        if b"\0" in content:
            self._note("nul", "The row contains a NUL character.", "Remove it.")
        try:
            return content.decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            byte = f"Byte {error.start + 1} of line {self.line} (0x{content[error.start]:02x})"
            message = f"{byte} is not valid UTF-8."
            self._note("encoding", message, "Save the file as UTF-8.")
            return content.decode("utf-8", "replace")

    def _note(self, code: str, message: str, fix: str) -> None:
        self.flaw = self.flaw or Problem(code=code, line=self.line, message=message, fix=fix)


def _records(source: _Source) -> Iterator[_Record | UnreadableRow | BlankRow]:
    reader = csv.reader(source, strict=True)
    while True:
        source.start_row()
        line = source.line + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except _RowTooLong:
            yield UnreadableRow(line=line, problem=too_long(line))
            continue
        except csv.Error as error:
            yield UnreadableRow(line=line, problem=_csv_problem(error, line=line, last_line=source.line))
            continue
        if source.flaw is not None:
            yield UnreadableRow(line=line, problem=source.flaw)
        elif not fields or (len(fields) == 1 and not fields[0].strip()):
            yield BlankRow(line=line)
        else:
            yield _Record(line, fields)


def _csv_problem(error: csv.Error, *, line: int, last_line: int) -> Problem:
    if "field larger" in str(error):
        return Problem(
            code="field_size",
            line=line,
            message=f"A field is longer than {MAX_FIELD_CHARACTERS:,} characters.",
            expected=f"at most {MAX_FIELD_CHARACTERS:,} characters",
            fix="Shorten it, or close the quote that was left open; JSON Lines has no such limit.",
        )
    return Problem(
        code="csv_quote",
        line=line,
        message=f"The quotes of this row do not fit together (up to line {last_line}).",
        found=shown(str(error)),
        expected='a field in "quotes", with each quote inside it doubled',
        fix='Close the quote that was left open, and write a quote inside a quoted field as "".',
    )


def _header_problem(columns: tuple[str, ...], *, line: int) -> Problem | None:
    other = next((mark for mark in ";\t|" if len(columns) == 1 and mark in columns[0]), None)
    if other is not None:
        return Problem(
            code="dialect",
            line=line,
            message="The columns are not separated by commas.",
            found={";": "semicolon", "\t": "tab", "|": "vertical bar"}[other],
            expected="comma",
            fix="Save it as CSV with comma as separator.",
        )
    if len(columns) > MAX_COLUMNS:
        return too_many_columns(len(columns), line=line)
    names = [name.lower() for name in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return None
    message = f'The column "{shown(twice)}" occurs more than once.'
    return Problem(code="header", line=line, message=message, fix="Rename or remove one of them.")


def _row(columns: tuple[str, ...], record: _Record) -> Row | UnreadableRow:
    if len(record.fields) != len(columns):
        return UnreadableRow(line=record.line, problem=_column_count(columns, record))
    return Row(line=record.line, value=dict(zip(columns, record.fields, strict=True)))


def _column_count(columns: tuple[str, ...], record: _Record) -> Problem:
    return Problem(
        code="columns",
        line=record.line,
        message=f"The row has {len(record.fields)} columns, the header has {len(columns)}.",
        found=str(len(record.fields)),
        expected=str(len(columns)),
        fix='Put a field that contains a comma in "quotes", and leave none out.',
    )
