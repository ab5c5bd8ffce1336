"""Parquet, a few rows at a time: what a row holds is judged as if it stood in JSON Lines.

A row's line is its number, from 1. A null is a field that is not there, as Parquet has no other way to leave
one out. Dates and decimal numbers become text.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, cast
from uuid import UUID

from datasets.formats import MAX_ROW_BYTES, MAX_ROWS, Header, RawReading, Readable, Row, UnreadableRow
from datasets.formats.jsonl import parse_row
from datasets.formats.lines import too_many_rows
from datasets.problems import Problem
from finetuning.strict_json import shown

# A cell that is repeated costs a file nothing, so a batch may be many times as large as what it is read from.
BATCH_ROWS = 16
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024


def read_parquet(file: Readable) -> Iterator[RawReading]:
    """The columns of `file`, and what its rows hold; see `datasets.formats`."""
    line, unpacked = 0, 0
    try:
        for reading in _readings(file):
            if isinstance(reading, Header):
                yield reading
                continue
            line += 1
            unpacked += len(reading)
            if line > MAX_ROWS:
                yield too_many_rows(line)
                return
            if unpacked > MAX_UNPACKED_BYTES:
                yield _unpacked(line)
                return
            yield _row(reading, line)
    except _failures() as error:
        yield _damaged(error, line=line + 1)


def count_rows(file: Readable) -> int:
    """How many rows the file says that it has; 0 for one that cannot be read."""
    # Imported in functions, for it takes 60 MB of memory that only a process with such a file should pay.
    from pyarrow.parquet import ParquetFile

    try:
        return int(ParquetFile(cast("IO[bytes]", file)).metadata.num_rows)
    except _failures():
        return 0


def _failures() -> tuple[type[Exception], ...]:
    """What PyArrow raises for a file that is damaged or says what cannot be."""
    from pyarrow import ArrowException

    return (ArrowException, OSError, ValueError, MemoryError, OverflowError, LookupError)


def _readings(file: Readable) -> Iterator[Header | bytes]:
    """The header, then each row as JSON."""
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(cast("IO[bytes]", file), pre_buffer=False, buffer_size=BUFFER_BYTES)
    names = table.schema_arrow.names
    yield Header(line=1, columns=tuple(dict.fromkeys(names)))
    for batch in table.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        for number in range(batch.num_rows):
            # Not a dict: a name may occur twice, which the strict reader of JSON then says.
            cells = [(name, batch.column(i)[number].as_py()) for i, name in enumerate(names)]
            yield _as_json(cells)


def _as_json(cells: list[tuple[str, Any]]) -> bytes:
    members = (f"{_text(name)}:{_text(_without_nulls(cell))}" for name, cell in cells if cell is not None)
    return f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        # What is no text stays visible as such: the strict reader refuses half a surrogate pair.
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    return shown(repr(value))


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _row(content: bytes, line: int) -> Row | UnreadableRow:
    return parse_row(content if len(content) <= MAX_ROW_BYTES else None, line=line)


def _unpacked(line: int) -> Problem:
    limit = MAX_UNPACKED_BYTES // (1024 * 1024)
    return Problem(
        code="unpacked_size",
        line=line,
        message=f"The rows up to here are together larger than {limit:,} MB. RawReading stopped here.",
        expected=f"at most {limit:,} MB of text",
        fix="Split the file.",
    )


def _damaged(error: Exception, *, line: int) -> Problem:
    return Problem(
        code="parquet",
        line=line,
        message="The Parquet file cannot be read from here on.",
        found=shown(str(error)),
        fix="Write or copy it again, or save it as JSON Lines.",
    )
