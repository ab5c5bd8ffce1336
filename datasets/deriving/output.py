"""The file of a version in the making, and what is told about it."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any
from uuid import UUID

import msgspec

from datasets.deriving.differences import SHOWN_PER_LINE, Difference, difference, differences
from datasets.deriving.lines import LINE_END, Line
from datasets.formats import UTF8_BOM, Row
from datasets.harmless import harmless_json
from datasets.models import DatasetChange

# All are counted; so many are kept to be looked at.
KEPT_CHANGES = 10_000


class Output:
    """Takes lines in the order in which they are to stand in `file`.

    `counts` says how many were kept, changed, removed and added; `changes` are the first of them;
    `conversation_ids` tells of each line from which conversation it came.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines = 0
        self._is_open = False
        self.counts: Counter[str] = Counter()
        self.changes: list[DatasetChange] = []
        self.conversation_ids: dict[int, UUID] = {}

    def keep(self, line: Line) -> None:
        """The line as it is, byte by byte."""
        self.counts["kept"] += 1
        self._start_line(line.conversation_id)
        if self._lines > 1 and line.content is not None and line.content.startswith(UTF8_BOM):
            # The mark of a file that is put behind another one.
            self._file.write(line.content.removeprefix(UTF8_BOM))
        else:
            line.copy_to(self._file)
        self._is_open = not line.has_end

    def replace(self, line: Line, content: bytes, *, before: object, after: object) -> None:
        """Another line in place of `line`; `before` and `after` are the values, or texts, to compare."""
        self._start_line(line.conversation_id)
        self._file.write(content)
        self._is_open = not content.endswith(LINE_END)
        found = list(islice(differences(before, after), SHOWN_PER_LINE))
        self._note(DatasetChange.Kind.CHANGED, parent_line=line.number, line=self._lines, found=found)

    def remove(self, line: Line) -> None:
        text = harmless_json(line.value) if isinstance(line.reading, Row) else line.text
        found = [difference(text, None)]
        self._note(DatasetChange.Kind.REMOVED, parent_line=line.number, line=None, found=found)

    def add(self, content: bytes) -> None:
        """A line of JSON that is in no version yet."""
        self._start_line(None)
        self._file.write(content)
        found = [difference(None, harmless_json(json.loads(content)))]
        self._note(DatasetChange.Kind.ADDED, parent_line=None, line=self._lines, found=found)

    def leave_out(self, line: Line) -> None:
        """For a file that is another dataset, not another version: what is not taken is only counted."""
        self.counts["left_out"] += 1

    def _start_line(self, conversation_id: UUID | None) -> None:
        if self._is_open:
            self._file.write(LINE_END)
        self._is_open = False
        self._lines += 1
        if conversation_id is not None:
            self.conversation_ids[self._lines] = conversation_id

    def _note(
        self, kind: DatasetChange.Kind, *, parent_line: int | None, line: int | None, found: list[Difference]
    ) -> None:
        self.counts[kind.value] += 1
        if len(self.changes) < KEPT_CHANGES:
            details: Any = msgspec.to_builtins(found)
            number = len(self.changes) + 1
            self.changes.append(
                DatasetChange(number=number, kind=kind, parent_line=parent_line, line=line, details=details)
            )


def numbered(changes: list[DatasetChange], dataset_id: UUID) -> Iterator[DatasetChange]:
    """The changes as those of a version."""
    for change in changes:
        change.dataset_id = dataset_id
        yield change
