"""The one door to the readers."""

from collections.abc import Callable, Iterator

from datasets.formats import Format, RawReading, Readable
from datasets.formats.csv_table import read_csv
from datasets.formats.json_array import read_json_array
from datasets.formats.jsonl import read_jsonl
from datasets.formats.lines import LF, LF_OR_CR, physical_lines
from datasets.formats.parquet import count_rows, read_parquet

_READERS: dict[Format, Callable[[Readable], Iterator[RawReading]]] = {
    "jsonl": read_jsonl,
    "json": read_json_array,
    "csv": read_csv,
    "parquet": read_parquet,
}


def read_rows(file: Readable, format: Format) -> Iterator[RawReading]:
    """What `file` holds, in file order; see `datasets.formats`. Never raises for the file's content."""
    return _READERS[format](file)


def count_lines(file: Readable, format: Format) -> int:
    """How many lines `file` has, as its readers number them."""
    if format == "parquet":
        return count_rows(file)
    return sum(1 for _ in physical_lines(file, LF_OR_CR if format == "csv" else LF))
