"""A dataset as a file in any format that it can be uploaded in.

In the format in which it is stored it is the stored file itself, byte by byte; in another one its examples
are written anew. CSV is always written anew: its cells do nothing in a spreadsheet.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from datasets import layouts_out
from datasets.deriving.lines import has_plain_lines
from datasets.layouts_out import NotRepresentable
from datasets.models import Dataset, TrainingExample
from datasets.training_files import row_of
from finetuning.errors import Conflict, Invalid
from finetuning.inert import csv_row

EXAMPLES_AT_ONCE = 500
CHUNK_BYTES = 64 * 1024
FileFormat = Literal["jsonl", "json", "csv", "csv_messages", "sharegpt", "alpaca"]
Row = Mapping[str, Any]


class NotExportable(Invalid):
    code = "not_exportable"


class NothingStored(Conflict):
    code = "dataset_not_ready"


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """`convert` makes of a row what is written; it raises NotRepresentable. `columns` are those of CSV."""

    name: str
    suffix: str
    content_type: str
    convert: Callable[[Row], Row]
    columns: tuple[str, ...] = ()


FORMATS: Mapping[FileFormat, ExportFormat] = {
    "jsonl": ExportFormat(
        name="JSON Lines", suffix="jsonl", content_type="application/jsonl", convert=layouts_out.as_it_is
    ),
    "json": ExportFormat(
        name="JSON array", suffix="json", content_type="application/json", convert=layouts_out.as_it_is
    ),
    "csv": ExportFormat(
        name="CSV: prompt, completion",
        suffix="csv",
        content_type="text/csv; charset=utf-8",
        convert=layouts_out.prompt_and_completion,
        columns=("system", "prompt", "completion"),
    ),
    "csv_messages": ExportFormat(
        name="CSV: messages as JSON",
        suffix="csv",
        content_type="text/csv; charset=utf-8",
        convert=layouts_out.messages_and_tools,
        columns=("messages", "tools"),
    ),
    "sharegpt": ExportFormat(
        name="ShareGPT", suffix="json", content_type="application/json", convert=layouts_out.sharegpt
    ),
    "alpaca": ExportFormat(
        name="Alpaca", suffix="json", content_type="application/json", convert=layouts_out.alpaca
    ),
}


def export_dataset(dataset: Dataset, file_format: FileFormat) -> Iterator[bytes]:
    """The file, piece by piece. Raises NotExportable before the first piece, naming the first line that does
    not fit into the format; NothingStored while the file is being read or was never stored.
    """
    if dataset.is_processing or not dataset.file:
        raise NothingStored(f"{dataset.name} is still being checked. Try again when that is done.")
    if file_format == "jsonl" and has_plain_lines(dataset):
        return _stored(dataset)
    if file_format == "json" == dataset.format and dataset.has_vendor_rows:
        return _stored(dataset)
    chosen = FORMATS[file_format]
    for example in _examples(dataset):
        try:
            chosen.convert(row_of(example))
        except NotRepresentable as reason:
            message = f"{example.place.capitalize()} does not fit into {chosen.name}: {reason}"
            raise NotExportable(f"{message} JSON Lines takes everything.") from reason
    return _written(dataset, chosen)


def _stored(dataset: Dataset) -> Iterator[bytes]:
    with dataset.file.open("rb") as stored:
        yield from stored.chunks(CHUNK_BYTES)


def _examples(dataset: Dataset) -> Iterator[TrainingExample]:
    return dataset.examples.order_by("position").iterator(chunk_size=EXAMPLES_AT_ONCE)


def _written(dataset: Dataset, chosen: ExportFormat) -> Iterator[bytes]:
    rows = (chosen.convert(row_of(example)) for example in _examples(dataset))
    if chosen.suffix == "csv":
        yield csv_row(chosen.columns)
        for row in rows:
            yield csv_row(row.get(column, "") for column in chosen.columns)
    elif chosen.suffix == "jsonl":
        for row in rows:
            yield _json(row) + b"\n"
    else:
        yield from _array(rows)


def _array(rows: Iterator[Row]) -> Iterator[bytes]:
    """A JSON array with one element a line."""
    before = b"[\n"
    for row in rows:
        yield before + _json(row)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _json(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()
