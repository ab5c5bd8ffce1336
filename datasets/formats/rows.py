"""The one door to the readers."""

from collections.abc import Callable, Iterator

from datasets.formats import Format, Readable, Reading
from datasets.formats.csv_table import read_csv
from datasets.formats.json_array import read_json_array
from datasets.formats.jsonl import read_jsonl

_READERS: dict[Format, Callable[[Readable], Iterator[Reading]]] = {
    "jsonl": read_jsonl,
    "json": read_json_array,
    "csv": read_csv,
}


def read_rows(file: Readable, format: Format) -> Iterator[Reading]:
    """What `file` holds, in file order; see `datasets.formats`. Never raises for the file's content."""
    return _READERS[format](file)
