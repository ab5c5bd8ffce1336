"""A program of its own that writes a Parquet file as JSON Lines: the columns, then each row.

PyArrow is native code that a damaged file can bring to an end, or make ask for gigabytes. Here that ends
nobody else, and the system's limits hold. An empty line stands for a row that is too long to be written. It
exits with FAILED where the file cannot be read, and says why on the standard error.
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

# A cell that is repeated costs a file nothing, so a batch may be many times as large as what it is read from.
BATCH_ROWS = 16
BUFFER_BYTES = 1024 * 1024
MAX_MEMORY_BYTES = 768 * 1024 * 1024
MAX_CPU_SECONDS = 300
FAILED = 3


def main(max_row_bytes: int) -> int:
    """Read the standard input, which has to be a file."""
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for line in _lines(max_row_bytes):
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the file cannot be read
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return FAILED
    return 0


def _lines(max_row_bytes: int) -> Iterator[bytes]:
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(sys.stdin.buffer, pre_buffer=False, buffer_size=BUFFER_BYTES)
    names = table.schema_arrow.names
    yield json.dumps(names).encode()
    for batch in table.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        # Before anything is looked up in it: offsets of a damaged file may lead out of the memory.
        batch.validate(full=True)
        for number in range(batch.num_rows):
            # Not a dict: a name may occur twice, which the strict reader of JSON then says.
            row = [(name, batch.column(i).slice(number, 1)) for i, name in enumerate(names)]
            yield _line(row, max_row_bytes)


def _line(row: list[tuple[str, Any]], max_row_bytes: int) -> bytes:
    # Each value takes two bytes at least, and a long list of equal ones hardly any in the file.
    if any(2 * _values(cell) > max_row_bytes for _, cell in row):
        return b""
    cells = ((name, cell[0].as_py()) for name, cell in row)
    members = (f"{_text(name)}:{_text(_without_nulls(cell))}" for name, cell in cells if cell is not None)
    line = f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")
    return line if len(line) <= max_row_bytes else b""


def _values(cells: Any) -> int:
    """How many values the cells hold, those in lists and objects included."""
    from pyarrow import types

    kind = cells.type
    if types.is_map(kind):
        return len(cells) + _values(cells.keys) + _values(cells.items)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return len(cells) + _values(cells.flatten())
    if types.is_struct(kind):
        return len(cells) + sum(_values(field) for field in cells.flatten())
    return len(cells)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        # What is no text stays visible as such: the strict reader refuses half a surrogate pair.
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else repr(value)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
