"""The lines of a version's file, each with the example that it became."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import IO
from uuid import UUID

from django.db.models import QuerySet

from datasets.formats import MAX_ROW_BYTES, SPACE, UTF8_BOM, BlankRow, Reading, Row, UnreadableRow
from datasets.formats.jsonl import parse_row
from datasets.layouts.reading import read_examples
from datasets.models import Dataset, TrainingExample
from datasets.tally import LinesLost
from datasets.training_files import row_of
from finetuning.errors import Conflict

LINE_END = b"\n"
BLOCK_BYTES = 1024 * 1024
# A line as long as a row may be, with its end.
LONGEST = MAX_ROW_BYTES + len(b"\r\n")
EXAMPLES_AT_ONCE = 2_000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of JSON Lines, in the words of the version that it is taken from.

    `content` is None for more bytes than a row may have: they are `start` to `end` of `file`. `position` is
    that of the example; None for a line that became none. `read_as` is what a reader made of the row, where
    the line was written for it.
    """

    number: int
    content: bytes | None
    file: IO[bytes]
    start: int = 0
    end: int = 0
    has_end: bool = True
    position: int | None = None
    conversation_id: UUID | None = None
    read_as: Row | None = None

    def written(self, row: object) -> bytes:
        """`row` as a line in place of this one, ending in the same way."""
        content = self.content or b""
        return written(row).rstrip(LINE_END) + content[len(content.rstrip(b"\r\n")) :]

    def copy_to(self, target: IO[bytes]) -> None:
        """Write the bytes of the line into `target`."""
        if self.content is not None:
            target.write(self.content)
            return
        place = self.file.tell()
        self.file.seek(self.start)
        for start in range(self.start, self.end, BLOCK_BYTES):
            target.write(self.file.read(min(BLOCK_BYTES, self.end - start)))
        self.file.seek(place)

    @cached_property
    def reading(self) -> Row | UnreadableRow | BlankRow:
        """What a reader makes of the line."""
        if self.read_as is not None:
            return self.read_as
        content = self.content
        if content is not None and self.number == 1:
            content = content.removeprefix(UTF8_BOM)
        if content is not None and not content.strip(SPACE):
            return BlankRow(line=self.number)
        return parse_row(content, line=self.number)

    @property
    def value(self) -> object:
        """The row, None where there is none that can be read."""
        return self.reading.value if isinstance(self.reading, Row) else None

    @property
    def text(self) -> str:
        """The line as text; what is no text, or too much, is left out."""
        return (self.content or b"").decode("utf-8", "replace").strip()


class FileChanged(Conflict):
    """The storage holds other bytes than were validated: nothing may be made of them."""

    code = "hash_mismatch"


@dataclass(kw_only=True)
class Unreadable:
    """How many rows of a file that is no JSON Lines could not be read, so that no line stands for them."""

    rows: int = 0


@contextmanager
def local_file(dataset: Dataset) -> Iterator[IO[bytes]]:
    """The dataset's file as one of this machine. Raises FileChanged."""
    with tempfile.TemporaryFile() as copy:
        with dataset.file.open("rb") as stored:
            shutil.copyfileobj(stored, copy)
        copy.seek(0)
        if hashlib.file_digest(copy, "sha256").hexdigest() != dataset.sha256:
            raise FileChanged(f"The stored file of {dataset.name} is not the one that was validated.")
        copy.seek(0)
        yield copy


def has_plain_lines(dataset: Dataset) -> bool:
    """Whether each line of the file is a row as it is stored, so that lines can be copied."""
    return dataset.format == Dataset.Format.JSONL and dataset.has_vendor_rows


def readings_of(dataset: Dataset, file: IO[bytes]) -> Iterator[Reading]:
    """What a reader makes of the dataset's file."""
    return read_examples(file, dataset.plan)


def lines_of(dataset: Dataset, file: IO[bytes], unreadable: Unreadable) -> Iterator[Line]:
    """The lines of the dataset's file: of JSON Lines byte by byte; of other formats each row written as one.

    Blank rows of other formats are left out; those that cannot be read are counted in `unreadable`.
    """
    if has_plain_lines(dataset):
        places = dataset.examples.defer("messages", "attributes")
        yield from _with_examples(_physical_lines(file), places)
    else:
        yield from _with_examples(_written_lines(dataset, file, unreadable), dataset.examples.all())


def _with_examples(lines: Iterator[Line], examples: QuerySet[TrainingExample]) -> Iterator[Line]:
    """Both are in the order of the file, so they are walked through together. Raises LinesLost."""
    waiting = examples.order_by("position").iterator(chunk_size=EXAMPLES_AT_ONCE)
    example = next(waiting, None)
    for line in lines:
        if example is not None and _is_of(line, example):
            yield replace(line, position=example.position, conversation_id=example.conversation_id)
            example = next(waiting, None)
        else:
            yield line
    if example is not None:
        raise LinesLost(f"no line of the file is {example}")


def _is_of(line: Line, example: TrainingExample) -> bool:
    if line.number != example.line:
        return False
    # Several elements of a JSON array may stand on one line.
    return line.read_as is None or _says_the_same(line.value, row_of(example))


def _says_the_same(one: object, other: object) -> bool:
    """PostgreSQL writes 1e23 as an integer, which Python does not take for the same number."""
    return one == other or _in_floats(one) == _in_floats(other)


def _in_floats(value: object) -> object:
    return json.loads(json.dumps(value), parse_int=float)


def _physical_lines(file: IO[bytes]) -> Iterator[Line]:
    number = start = 0
    while content := file.readline(LONGEST):
        number += 1
        end = start + len(content)
        whole: bytes | None = content
        while not content.endswith(LINE_END) and (more := file.readline(LONGEST)):
            end += len(more)
            content, whole = more, None
        ends = content.endswith(LINE_END)
        yield Line(number=number, content=whole, file=file, start=start, end=end, has_end=ends)
        start = end


def _written_lines(dataset: Dataset, file: IO[bytes], unreadable: Unreadable) -> Iterator[Line]:
    for reading in readings_of(dataset, file):
        if isinstance(reading, UnreadableRow):
            unreadable.rows += 1
        elif isinstance(reading, Row):
            yield Line(number=reading.line, content=written(reading.value), file=file, read_as=reading)


def written(row: object) -> bytes:
    """A row as a line of JSON Lines."""
    return json.dumps(row, ensure_ascii=False).encode() + LINE_END
