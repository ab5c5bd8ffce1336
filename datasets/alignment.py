"""Which rows of one version are still there in another, over the hashes of both."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Pair = tuple[int, int]


class Step(NamedTuple):
    """One difference: where its row stands on either side, None where it has none, and where both go on."""

    old: int | None
    new: int | None
    end: Pair


def same_rows(old: Sequence[int], new: Sequence[int]) -> list[Pair]:
    """Where equal hashes stand in both, each pair behind the one before on both sides."""
    places = {row: place for place, row in enumerate(_told_apart(new))}
    pairs = ((place, places[row]) for place, row in enumerate(_told_apart(old)) if row in places)
    return _longest_rising(list(pairs))


def steps_between(pairs: Iterable[Pair], *, end: Pair) -> Iterator[Step]:
    """What lies between the pairs and before `end`.

    Between two pairs the first rows of both sides were changed into each other; what only one of them has
    left was removed or added.
    """
    old, new = 0, 0
    for old_pair, new_pair in [*pairs, end]:
        while old < old_pair or new < new_pair:
            takes_old, takes_new = old < old_pair, new < new_pair
            after = (old + takes_old, new + takes_new)
            yield Step(old if takes_old else None, new if takes_new else None, after)
            old, new = after
        old, new = old_pair + 1, new_pair + 1


def _told_apart(hashes: Iterable[int]) -> Iterator[Pair]:
    """Each hash with how often it stood before."""
    seen: Counter[int] = Counter()
    for one in hashes:
        yield one, seen[one]
        seen[one] += 1


def _longest_rising(pairs: Sequence[Pair]) -> list[Pair]:
    """As many of the pairs as rise on both sides; on the left all of them do."""
    ends: list[int] = []
    lasts: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(lasts[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        lasts[length : length + 1] = [number]
    chain, number = [], lasts[-1] if lasts else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]
