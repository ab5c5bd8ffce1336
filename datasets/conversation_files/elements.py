"""What a file is made of: elements of an array, lines of JSON Lines, rows of a table, or one object.

APIs give their lists in pages, objects with the list inside: its elements are then those of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from datasets.conversation_files import Object
from datasets.formats import (
    MAX_ROW_BYTES,
    UTF8_BOM,
    BlankRow,
    Format,
    Header,
    RawReading,
    Row,
    UnreadableRow,
)
from datasets.formats.jsonl import parse_row
from datasets.formats.rows import read_rows
from datasets.problems import Problem
from finetuning.strict_json import shown

LISTS = ("data", "runs", "traces")
# What is itself a conversation is no page of them.
TALK_FIELDS = frozenset({"choices", "conversations", "input", "inputs", "mapping", "messages"})
# What tells of the object around a line of JSON Lines that it was not read to its end.
UNFINISHED = ("invalid_json", "encoding", "nul")


@dataclass(frozen=True, kw_only=True)
class Element:
    """`line` is where it starts, or the page that it is on; `pointer` its place on that page."""

    line: int
    value: Object
    pointer: str = ""


def elements_of(file: IO[bytes], format: Format) -> Iterator[Element | Problem]:
    """The elements of `file` in their order, and what cannot be read. Memory is bounded by a row's limit."""
    for reading in _readings(file, format):
        if isinstance(reading, UnreadableRow):
            yield reading.problem
        elif isinstance(reading, Problem):
            yield reading
        elif not isinstance(reading, Header | BlankRow):
            yield from _of_row(reading)


def _readings(file: IO[bytes], format: Format) -> Iterator[RawReading]:
    if format == "jsonl":
        whole = _one_object(file)
        if whole is not None:
            yield whole
            return
    yield from read_rows(file, format)


def _one_object(file: IO[bytes]) -> Row | UnreadableRow | Problem | None:
    """The object that the whole file is; None when it is made of lines."""
    content = file.read(MAX_ROW_BYTES + 1).removeprefix(UTF8_BOM)
    file.seek(0)
    first = content.partition(b"\n")[0].strip()
    if first.endswith(b"}"):
        return None
    if len(content) > MAX_ROW_BYTES:
        return _too_large() if first == b"{" else None
    row = parse_row(content.strip(), line=1)
    return None if isinstance(row, UnreadableRow) and row.problem.code in UNFINISHED else row


def _too_large() -> Problem:
    return Problem(
        code="one_object",
        line=1,
        message=f"The file is one JSON object of more than {MAX_ROW_BYTES // 1024**2} MB.",
        expected="An array, or JSON Lines",
        fix="Save the list that the object holds as a file of its own, with [ at its start.",
    )


def _of_row(row: Row) -> Iterator[Element | Problem]:
    value = row.value
    if not isinstance(value, dict):
        yield not_an_object(value, line=row.line)
        return
    name = next((name for name in LISTS if isinstance(value.get(name), list)), None)
    if name is None or TALK_FIELDS & value.keys():
        yield Element(line=row.line, value=value)
        return
    for number, item in enumerate(value[name]):
        pointer = f"/{name}/{number}"
        if isinstance(item, dict):
            yield Element(line=row.line, value=item, pointer=pointer)
        else:
            yield not_an_object(item, line=row.line, pointer=pointer)


def not_an_object(value: object, *, line: int, pointer: str = "") -> Problem:
    """The problem of an element that holds nothing by name."""
    return Problem(
        code="not_object",
        line=line,
        pointer=pointer,
        message="The element is not a JSON object.",
        found=shown(value),
        expected="An object for each conversation",
        fix="Remove it, or export the file again.",
    )
