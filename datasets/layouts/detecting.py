"""Which layout a file is in, from its first rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from datasets.formats import Format, Header, RawReading, Row
from datasets.formats.rows import read_rows
from datasets.formats.sections import Section
from datasets.layouts import LAYOUT_OF_METHOD, Columns, Layout
from datasets.layouts.columns import suggest
from datasets.validation import method_of
from datasets.validation.rows import CHAT_KEYS

LOOKED_AT_ROWS = 20
# Of text no more is looked at: rows can be large, and somebody waits for the answer.
LOOKED_AT_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """What the first rows show: the layout, for `columns` what each column is, and the names of all columns
    of a table. `names` is empty where rows are no table.
    """

    layout: Layout
    columns: Columns
    names: tuple[str, ...] = ()


def first_look(file: IO[bytes], format: Format, *, size: int) -> FirstLook:
    """What the first rows of a file of `size` bytes show. Leaves the file at its start."""
    # Parquet has its table of contents at its end.
    end = size if format == "parquet" else min(size, LOOKED_AT_BYTES)
    look = detect(islice(read_rows(Section(file, start=0, size=end), format), LOOKED_AT_ROWS))
    file.seek(0)
    return look


def detect(readings: Iterable[RawReading]) -> FirstLook:
    """The layout that most of the given rows are in.

    Rows that are in none do not count; where all are, it is `chat`, whose rules then say what is missing.
    """
    votes: Counter[Layout] = Counter()
    header: Header | None = None
    columns: Columns = {}
    for reading in readings:
        if isinstance(reading, Header):
            header = reading
        elif isinstance(reading, Row) and isinstance(reading.value, dict):
            layout = layout_of(reading.value, header)
            votes[layout] += 1
            columns = columns or (suggest(reading.value) if layout == "columns" else {})
    votes.pop("", None)
    found: Layout = votes.most_common(1)[0][0] if votes else "columns" if header else "chat"
    names = header.columns if header else ()
    columns = suggest(names) if header else columns
    return FirstLook(layout=found, columns=columns if found == "columns" else {}, names=names)


def layout_of(row: Mapping[str, Any], header: Header | None) -> Layout:
    """The layout of one row; empty when it is in none."""
    if "messages" in row or _is_pair(row):
        return LAYOUT_OF_METHOD[method_of(row)] if _is_native(row, header) else "columns"
    if isinstance(row.get("conversations"), list):
        return "sharegpt"
    if row.keys() >= {"instruction", "output"}:
        return "alpaca"
    if row.keys() >= {"prompt", "completion"}:
        return "prompt_completion"
    return "columns" if suggest(header.columns if header else row) else ""


def _is_pair(row: Mapping[str, Any]) -> bool:
    """A field `input` alone says little: many flat rows have one."""
    return bool(row.keys() & {"preferred_output", "non_preferred_output"}) or isinstance(
        row.get("input"), dict
    )


def _is_native(row: Mapping[str, Any], header: Header | None) -> bool:
    """Whether the row can stay as it is. A table may well have columns of its own, and JSON in its cells."""
    if header is None or method_of(row) == "reinforcement":
        return True
    in_json = any(isinstance(row.get(key), str) for key in ("messages", "tools", "input", "preferred_output"))
    return not in_json and (method_of(row) == "dpo" or row.keys() <= CHAT_KEYS)
