"""Which examples are held back for validation, so that none of them is known from training.

Examples that say the same or nearly the same, and those of one conversation, stay on one side. Two examples
that `datasets.quality.duplicates` would call alike share a band of their signatures; of those that do, the
similar ones are put into one group. Where very many share a band, all of them are: that is too careful, never
too careless.
"""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from datasets.quality.duplicates import BANDS, NEARLY_THE_SAME, SIGNATURE_BYTES, Prints

# Comparing all pairs of so many is quick; of more it is not worth the wait.
COMPARED_PAIRWISE = 512


def held_back(
    prints: Prints, conversations: Sequence[Hashable | None], *, size: int, seed: int
) -> frozenset[int]:
    """Which examples, by their index, are held back: at most `size`, always the same ones for one seed.

    `conversations` says of each example which conversation it is from; None: of none that is known.
    """
    groups = _groups(prints, conversations)
    chosen: set[int] = set()
    for group in sorted(groups, key=lambda group: _rank(group[0], seed)):
        if len(chosen) + len(group) <= size:
            chosen.update(group)
    return frozenset(chosen)


def _rank(index: int, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{index}".encode()).digest()


class _Union:
    """Disjoint sets (Tarjan, 1975): which indexes belong together."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def find(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first


def _groups(prints: Prints, conversations: Sequence[Hashable | None]) -> list[list[int]]:
    count = len(prints.lines)
    union = _Union(count)
    for one, other in _pairs(prints, conversations):
        union.join(one, other)
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        members[union.find(index)].append(index)
    return list(members.values())


def _pairs(prints: Prints, conversations: Sequence[Hashable | None]) -> Iterator[tuple[int, int]]:
    """Pairs that belong together; those that follow from others may be left out."""
    for same in _alike(prints.digests.tolist()):
        yield from pairwise(same)
    for same in _alike(conversations):
        yield from pairwise(same)
    bands = prints.signatures.reshape(-1, SIGNATURE_BYTES).view(np.uint64)
    judged = [bool(row.any()) for row in prints.signatures]
    for number in range(BANDS if len(bands) else 0):
        keys = [key if known else None for key, known in zip(bands[:, number].tolist(), judged, strict=True)]
        for same in _alike(keys):
            yield from _similar(prints, same)


def _alike(keys: Iterable[Hashable | None]) -> list[list[int]]:
    """The indexes of each key that occurs more than once; None is no key."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if key is not None:
            found[key].append(index)
    return [indexes for indexes in found.values() if len(indexes) > 1]


def _similar(prints: Prints, indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    if len(indexes) > COMPARED_PAIRWISE:
        yield from pairwise(indexes)
        return
    signatures = prints.signatures[indexes]
    for place, index in enumerate(indexes[:-1]):
        agreeing = (signatures[place + 1 :] == signatures[place]).mean(axis=1)
        for offset in np.flatnonzero(agreeing >= NEARLY_THE_SAME):
            yield index, indexes[place + 1 + int(offset)]
