"""Which examples are held back for validation, so that none of them is known from training.

Examples that say the same or nearly the same, those of one conversation, and those that begin with all of
another one, stay on one side. Two examples that `datasets.quality.duplicates` would call alike share a band
of their signatures; of those that do, the similar ones are put into one group. Where very many share a band,
all of them are: that is too careful, never too careless.
"""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from datasets.quality.duplicates import NEARLY_THE_SAME, Prints
from datasets.quality.fingerprints import BANDS, SIGNATURE_BYTES

# Comparing all pairs of so many is quick; of more it is not worth the wait.
COMPARED_PAIRWISE = 512
_DIGEST_BYTES = 8


class Openings:
    """What examples begin with, by which those are found that were cut from one conversation."""

    def __init__(self) -> None:
        self._wholes = bytearray()
        self._openings = bytearray()
        self._owners = array("L")

    def add(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """The messages of the next example."""
        owner = len(self._wholes) // _DIGEST_BYTES
        *openings, whole = _digests(messages)
        self._openings += b"".join(openings)
        self._owners.extend([owner] * len(openings))
        self._wholes += whole

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Each example, by its index, that is all of what another one begins with, and that other one."""
        wholes, openings = (
            np.frombuffer(bytes(found), np.uint64) for found in (self._wholes, self._openings)
        )
        order = np.argsort(wholes, kind="stable")
        places = np.searchsorted(wholes[order], openings).clip(max=max(0, len(wholes) - 1))
        for number in np.flatnonzero(wholes[order[places]] == openings):
            yield int(order[places[number]]), self._owners[number]


def _digests(messages: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """A digest of the messages up to each answer, that of all of them last."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for number, message in enumerate(messages, start=1):
        digest.update(repr(_said(message)).encode())
        if message.get("role") == "assistant" or number == len(messages):
            yield digest.digest()


def _said(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The message without `weight`, in which a conversation that is cut into examples differs."""
    return sorted((key, str(value)) for key, value in message.items() if key != "weight")


def held_back(
    prints: Prints,
    conversations: Sequence[Hashable | None],
    *,
    size: int,
    seed: int,
    ties: Iterable[tuple[int, int]] = (),
) -> frozenset[int]:
    """Which examples, by their index, are held back: at most `size`, always the same ones for one seed.

    `conversations` says of each example which conversation it is from; None: of none that is known. `ties`
    are other pairs that belong together.
    """
    groups = _groups(len(prints.digests), chain(_pairs(prints, conversations), ties))
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


def _groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    union = _Union(count)
    for one, other in pairs:
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
