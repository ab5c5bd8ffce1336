"""Which examples belong together: of one conversation, or saying the same. A split must not part them."""

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from datasets.models import Dataset, TrainingExample
from datasets.quality import Quality, duplicates
from datasets.training_files import row_of

EXAMPLES_AT_ONCE = 500

Digests = npt.NDArray[np.uint64]


class _Groups:
    """Numbers 0 to n - 1, each in the group of the smallest number that it is joined with."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def first_of(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        one, other = self.first_of(one), self.first_of(other)
        self._parents[max(one, other)] = min(one, other)


def groups_of(dataset: Dataset) -> list[int]:
    """For each example the position of the first one of its group."""
    groups = _Groups(dataset.total_examples)
    for one, other in _pairs(dataset):
        groups.join(one, other)
    return [groups.first_of(position) for position in range(dataset.total_examples)]


def held_back(dataset: Dataset, *, ratio: float, seed: int) -> set[int]:
    """The examples of the smaller part: whole groups, in the order of a seed, as many as fit into `ratio`."""
    members: dict[int, list[int]] = {}
    for position, first in enumerate(groups_of(dataset)):
        members.setdefault(first, []).append(position)
    room = round(dataset.total_examples * ratio)
    held: set[int] = set()
    for first in sorted(members, key=lambda first: hashlib.sha256(f"{seed}:{first}".encode()).digest()):
        if len(held) + len(members[first]) <= room:
            held.update(members[first])
    return held


def _pairs(dataset: Dataset) -> Iterator[tuple[int, int]]:
    """Examples that belong together."""
    quality = Quality()
    first_of_conversation: dict[UUID, int] = {}
    whole: list[bytes] = []
    beginnings: list[tuple[int, bytes]] = []
    for example in dataset.examples.order_by("position").iterator(chunk_size=EXAMPLES_AT_ONCE):
        # In the place of the line, which several elements of a JSON array may share.
        quality.add(row_of(example), line=example.position, tokens=example.token_count)
        if example.conversation_id is not None:
            first = first_of_conversation.setdefault(example.conversation_id, example.position)
            yield first, example.position
        prints = list(_beginnings(example))
        beginnings += [(example.position, one) for one in prints[:-1]]
        whole.append(prints[-1])
    yield from _continued(whole, beginnings)
    for alike in duplicates.repeated(quality.prints()):
        yield alike.other_line, alike.line


def _beginnings(example: TrainingExample) -> Iterator[bytes]:
    """A digest of the messages up to each answer, the whole conversation last."""
    digest = hashlib.blake2b(digest_size=8)
    for number, message in enumerate(example.messages, start=1):
        digest.update(repr(_said(message)).encode())
        if message.get("role") == "assistant" or number == len(example.messages):
            yield digest.copy().digest()


def _said(message: dict[str, Any]) -> list[Any]:
    """The message without `weight`, in which a conversation that is cut into examples differs."""
    return sorted((key, str(value)) for key, value in message.items() if key != "weight")


def _continued(whole: list[bytes], beginnings: list[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
    """Each example that begins with all of another one."""
    ends = _numbers(whole)
    order = np.argsort(ends, kind="stable")
    starts = _numbers([digest for _, digest in beginnings])
    places = np.searchsorted(ends[order], starts).clip(max=max(0, len(ends) - 1))
    for (position, _), start, place in zip(beginnings, starts, places, strict=True):
        if ends[order[place]] == start:
            yield int(order[place]), position


def _numbers(digests: list[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), dtype=np.uint64)
