"""How any two versions of a dataset differ, a part at a time.

The database hashes the examples of a part; versions keep the order of their examples, so that the next part
can begin behind the last pair of equal ones. The work is the same for a thousand examples and a million.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import msgspec
from django.db.models import BigIntegerField, Func

from datasets.alignment import Pair, Step, same_rows, steps_between
from datasets.deriving.differences import SHOWN_PER_LINE, Difference, difference, differences
from datasets.harmless import harmless_json
from datasets.models import Dataset, DatasetChange, TrainingExample
from datasets.training_files import row_of
from finetuning.errors import Invalid

EXAMPLES_PER_PART = 100_000
CHANGES_PER_PAGE = 50
PLACE = re.compile(r"^([0-9]{1,9})-([0-9]{1,9})\Z")


class NotOneDataset(Invalid):
    code = "not_one_dataset"


class HashOfExample(Func):
    template = "hash_record_extended((%(expressions)s), 0)"
    output_field: ClassVar[BigIntegerField] = BigIntegerField()  # type: ignore[type-arg]


class Compared(NamedTuple):
    old: int
    new: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Of the examples from `start` to `end`, positions in the old and in the new version: how many were kept,
    changed, removed and added, and the first of those changes.

    `next_start` is where to go on; None: these are the last changes of the last examples.
    """

    start: Pair
    end: Pair
    counts: Counter[str]
    changes: list[DatasetChange]
    next_start: Pair | None

    @property
    def compared(self) -> Compared:
        """How many examples of each version were compared."""
        return Compared(self.end[0] - self.start[0], self.end[1] - self.start[1])

    @property
    def next_place(self) -> str | None:
        """`next_start` as `place_of` reads it."""
        return None if self.next_start is None else "{}-{}".format(*self.next_start)

    @property
    def number_of_changes(self) -> int:
        return self.counts.total() - self.counts["kept"]


def place_of(text: str) -> Pair | None:
    """The positions in both versions, written as `12-30`; None: it is not written so."""
    match = PLACE.match(text)
    return (int(match[1]), int(match[2])) if match else None


def compare_versions(old: Dataset, new: Dataset, *, start: Pair = (0, 0)) -> Comparison:
    """How `new` differs from `old`, from these positions on. Raises NotOneDataset."""
    if old.series_id != new.series_id:
        raise NotOneDataset("They are no versions of one dataset.", pointer="/againstId")
    hashes = _hashes(old, start[0]), _hashes(new, start[1])
    sizes = len(hashes[0]), len(hashes[1])
    is_last = max(sizes) < EXAMPLES_PER_PART
    pairs = same_rows(*hashes)
    surplus = old.total_examples - start[0] - new.total_examples + start[1]
    end = sizes if is_last else _end_of_part(pairs, sizes, surplus)
    steps = list(steps_between(pairs, end=end))
    shown = [_moved(step, start) for step in steps[:CHANGES_PER_PAGE]]
    more = len(steps) > len(shown)
    return Comparison(
        start=start,
        end=_sum(start, end),
        counts=Counter({"kept": len(pairs)}) + Counter(_kind(step).value for step in steps),
        changes=_changes(old, new, shown),
        next_start=shown[-1].end if more else None if is_last else _sum(start, end),
    )


def _hashes(dataset: Dataset, start: int) -> list[int]:
    examples = dataset.examples.at(range(start, start + EXAMPLES_PER_PART))
    return list(examples.values_list(HashOfExample("messages", "attributes"), flat=True))


def _end_of_part(pairs: list[Pair], sizes: Pair, surplus: int) -> Pair:
    """Behind the last pair, for what follows it here may be found further on.

    Without any, it is taken that the version of which more is left has these examples more.
    """
    if pairs:
        return _sum(pairs[-1], (1, 1))
    surplus = sizes[0] - sizes[1] or surplus
    return (sizes[0] if surplus >= 0 else 0, sizes[1] if surplus <= 0 else 0)


def _sum(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]


def _moved(step: Step, start: Pair) -> Step:
    old = None if step.old is None else step.old + start[0]
    new = None if step.new is None else step.new + start[1]
    return Step(old, new, _sum(step.end, start))


def _kind(step: Step) -> DatasetChange.Kind:
    if step.new is None:
        return DatasetChange.Kind.REMOVED
    return DatasetChange.Kind.ADDED if step.old is None else DatasetChange.Kind.CHANGED


def _changes(old: Dataset, new: Dataset, steps: list[Step]) -> list[DatasetChange]:
    before = _examples(old, (step.old for step in steps))
    after = _examples(new, (step.new for step in steps))
    return [
        _change(_kind(step), before.get(step.old), after.get(step.new), number)
        for number, step in enumerate(steps, start=1)
    ]


def _examples(dataset: Dataset, positions: Iterable[int | None]) -> dict[int | None, TrainingExample]:
    wanted = [position for position in positions if position is not None]
    return {example.position: example for example in dataset.examples.filter(position__in=wanted)}


def _change(
    kind: DatasetChange.Kind, before: TrainingExample | None, after: TrainingExample | None, number: int
) -> DatasetChange:
    details: Any = msgspec.to_builtins(list(_details(before, after)))
    return DatasetChange(
        number=number,
        kind=kind,
        parent_line=before.line if before else None,
        line=after.line if after else None,
        details=details,
    )


def _details(before: TrainingExample | None, after: TrainingExample | None) -> Iterator[Difference]:
    if before and after:
        return islice(differences(row_of(before), row_of(after)), SHOWN_PER_LINE)
    old, new = (harmless_json(row_of(example)) if example else None for example in (before, after))
    return iter([difference(old, new)])
