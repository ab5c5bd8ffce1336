"""Which examples are held back for validation, so that none of them is known from training.

Examples that say the same or nearly the same, those of one conversation, and those that begin with all of
another one, stay on one side. Two examples that `datasets.quality.duplicates` would call alike share a band
of their signatures; of those that do, the similar ones are put into one group. Where very many share a band,
all of them are: that is too careful, never too careless.
"""

import hashlib
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets.quality.duplicates import NEARLY_THE_SAME, Prints
from datasets.quality.fingerprints import BANDS, Array8, Array64, Indexes

Bools = npt.NDArray[np.bool_]

# Comparing all pairs of so many is quick; of more it is not worth the wait.
COMPARED_PAIRWISE = 512
# Of so many pairs two signatures each are in memory.
_COMPARED_AT_ONCE = 20_000
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
    firsts = _groups(prints, conversations, ties)
    groups, sizes = np.unique(firsts, return_counts=True)
    order = np.argsort(_ranks(groups, seed), kind="stable")
    chosen, room = [], size
    for group, count in zip(groups[order].tolist(), sizes[order].tolist(), strict=True):
        if count <= room:
            chosen.append(group)
            room -= count
    return frozenset(np.flatnonzero(np.isin(firsts, chosen)).tolist())


def _ranks(groups: Indexes, seed: int) -> Array64:
    """The order in which groups are chosen: by chance, but always the same for one seed."""
    digests = [hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8] for group in groups.tolist()]
    return np.frombuffer(b"".join(digests), dtype=">u8")


def _groups(
    prints: Prints, conversations: Sequence[Hashable | None], ties: Iterable[tuple[int, int]]
) -> Indexes:
    """For each example the first of those that it belongs together with."""
    union = _Union(len(prints.digests))
    for one, other in chain(_of_one_conversation(conversations), ties):
        union.join(one, other)
    order, remaining, _ = _side_by_side(prints.digests)
    places = np.flatnonzero(remaining > 1)
    union.join_all(order[places], order[places + 1])
    judged = np.flatnonzero(prints.signatures.any(axis=1))
    bands = prints.signatures.view(np.uint64).reshape(-1, BANDS)
    for number in range(BANDS):
        _join_similar(union, prints.signatures, judged, bands[judged, number])
    return union.firsts()


class _Union:
    """Disjoint sets (Tarjan, 1975): which indexes belong together."""

    def __init__(self, count: int) -> None:
        self._parents = array("L", range(count))

    def find(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first

    def join_all(self, ones: Indexes, others: Indexes) -> None:
        for one, other in zip(ones.tolist(), others.tolist(), strict=True):
            self.join(one, other)

    def are_apart(self, ones: Indexes, others: Indexes) -> Bools:
        """For each pair whether it is worth a look. It may be joined all the same."""
        parents = np.asarray(self._parents)
        apart: Bools = parents[ones] != parents[others]
        return apart

    def firsts(self) -> Indexes:
        """For each index the first one of its set."""
        count = len(self._parents)
        return np.fromiter(map(self.find, range(count)), dtype=np.intp, count=count)


def _of_one_conversation(conversations: Sequence[Hashable | None]) -> Iterator[tuple[int, int]]:
    """Each example whose conversation has an earlier one, and that one."""
    latest: dict[Hashable, int] = {}
    for index, conversation in enumerate(conversations):
        if conversation is None:
            continue
        if conversation in latest:
            yield latest[conversation], index
        latest[conversation] = index


def _side_by_side(keys: Array64) -> tuple[Indexes, Indexes, Indexes]:
    """An order in which equal keys stand side by side.

    For each place of it: how many of its key there are from there on, and how many in all.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.searchsorted(ordered, ordered, side="right")
    return order, ends - np.arange(len(keys)), ends - np.searchsorted(ordered, ordered)


def _join_similar(union: _Union, signatures: Array8, rows: Indexes, keys: Array64) -> None:
    """Join those of `rows` with the same key that are nearly the same; all, where very many have that key."""
    order, remaining, shared = _side_by_side(keys)
    rows = rows[order]
    places = np.flatnonzero(remaining > 1)
    many = shared[places] > COMPARED_PAIRWISE
    union.join_all(rows[places[many]], rows[places[many] + 1])
    places, distance = places[~many], 1
    while len(places):
        for start in range(0, len(places), _COMPARED_AT_ONCE):
            some = places[start : start + _COMPARED_AT_ONCE]
            ones, others = rows[some], rows[some + distance]
            # Of many that are the same nearly all pairs are joined by then.
            apart = union.are_apart(ones, others)
            ones, others = ones[apart], others[apart]
            near = (signatures[ones] == signatures[others]).mean(axis=1) >= NEARLY_THE_SAME
            union.join_all(ones[near], others[near])
        distance += 1
        places = places[remaining[places] > distance]
