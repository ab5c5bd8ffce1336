"""Examples that say the same, or nearly the same.

Nearly the same is judged by MinHash (Broder, 1997) over shingles: the 16 bytes that begin at each word, or
at each character of a script without spaces. Of each of the 64 minima one byte is kept, so that two texts
with the similarity s agree in s + (1 - s) / 256 of them. Eight bytes in a row make a band; texts that share a
band are compared.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct

import msgspec
import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from datasets.quality.fingerprints import (
    BANDS,
    DIGEST_BYTES,
    SIGNATURE_BYTES,
    Array8,
    Array64,
    Fingerprints,
    Indexes,
)

# The share of common shingles from which on two examples count as nearly the same.
NEARLY_THE_SAME = 0.8
# A text of a few words has too few shingles to be judged.
MIN_SHINGLES = 5
SEED = 42

_SHINGLE_BYTES = 16
# Lists of numbers become an array in half the time by way of their bytes.
_MINIMA = Struct(f"<{SIGNATURE_BYTES}I")
_TEXTS_AT_ONCE = 500
_PARTS = 16
_COMPARED_AT_ONCE = 100_000
_ELEMENT_BITS = 32
_SPACE = 0x20
# UTF-8: the first byte of a character of three or four bytes, as in Chinese, Japanese and emoji.
_WIDE_CHARACTER = 0xE0
# Odd constants that spread the bits, from SplitMix64.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))

Shares = npt.NDArray[np.float64]


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """The example on `line` says what the one on `other_line` says; `similarity` is 1 for the very same.

    `position` counts the examples from 0; `element` is its number in a JSON array.
    """

    position: int
    line: int
    element: int | None = None
    other_line: int
    other_element: int | None = None
    similarity: float

    @property
    def code(self) -> str:
        """That of the problem which says so."""
        return "duplicate" if self.similarity == 1 else "near_duplicate"


@dataclass(frozen=True, kw_only=True)
class Prints:
    """Fingerprints of n examples: n digests, n x 64 bytes."""

    digests: Array64
    signatures: Array8


def prints_of(texts: Iterable[bytes]) -> Prints:
    """The fingerprints of `texts`; not all texts are kept at once."""
    digests, signatures = bytearray(), bytearray()
    remaining = iter(texts)
    while batch := list(islice(remaining, _TEXTS_AT_ONCE)):
        more_digests, more_signatures = fingerprints_of(batch)
        digests += more_digests
        signatures += more_signatures
    return Prints(
        digests=np.frombuffer(bytes(digests), dtype=np.uint64),
        signatures=np.frombuffer(bytes(signatures), dtype=np.uint8).reshape(-1, SIGNATURE_BYTES),
    )


def fingerprints_of(texts: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The digests of all texts, 8 bytes each, and their signatures, 64 bytes each. Capitals do not count."""
    lowered = [text.lower() for text in texts]
    digests = [hashlib.sha256(text).digest()[:DIGEST_BYTES] for text in lowered]
    return b"".join(digests), _signatures(lowered)


def _signatures(texts: Sequence[bytes]) -> bytes:
    """All zero for a text that is too short to be judged."""
    if not texts:
        return b""
    hashes, ends = _shingles(texts)
    offsets = np.concatenate([[0], ends]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, SIGNATURE_BYTES, SEED)
    minima = b"".join([_MINIMA.pack(*row) for row in matrix.to_rows()])
    rows = np.frombuffer(minima, dtype="<u4").astype(np.uint8).reshape(-1, SIGNATURE_BYTES)
    rows[np.diff(offsets) < MIN_SHINGLES] = 0
    return rows.tobytes()


def _shingles(texts: Sequence[bytes]) -> tuple[Array64, npt.NDArray[np.int64]]:
    """The hashed shingles of all texts, and how many there are up to the end of each text."""
    spaced = b"".join([part for text in texts for part in (b" ", text, b" " * _SHINGLE_BYTES)])
    letters = np.frombuffer(spaced, dtype=np.uint8)[:-_SHINGLE_BYTES]
    is_space = letters <= _SPACE
    begins = np.zeros_like(is_space)
    np.greater(is_space[:-1], is_space[1:], out=begins[1:])
    if not spaced.isascii():
        begins |= letters >= _WIDE_CHARACTER
    starts = np.flatnonzero(begins)
    # As one value of 16 bytes each, for numpy gathers numbers that are not aligned one byte at a time.
    windows = np.ndarray((len(spaced) - 15,), dtype="V16", buffer=spaced, strides=(1,))
    halves = windows[starts].view(np.uint64).reshape(-1, 2)
    hashes = (halves[:, 0] * _MIX[0]) ^ (halves[:, 1] * _MIX[1])
    text_ends = np.cumsum([len(text) + 1 + _SHINGLE_BYTES for text in texts])
    return hashes, np.searchsorted(starts, text_ends)


def repeated(prints: Fingerprints) -> list[Alike]:
    """Each example that says the same, or nearly, as an earlier one, in the order of the file."""
    others, similarity = _most_alike(prints)
    places = prints.places()
    return [
        _alike(row, int(places[row]), int(places[others[row]]), float(similarity[row]))
        for row in np.flatnonzero(similarity).tolist()
    ]


def place_of(line: int, element: int | None) -> int:
    """The place of a row as one number; rows have the order of their numbers."""
    return line << _ELEMENT_BITS | (0 if element is None else element + 1)


def places_of(lines: Array64) -> Array64:
    """The places of rows that have a line of their own."""
    return lines << np.uint64(_ELEMENT_BITS)


def lines_of(places: Array64) -> Array64:
    """The line of each place."""
    return places >> np.uint64(_ELEMENT_BITS)


def _alike(position: int, place: int, other: int, similarity: float) -> Alike:
    line, element = line_and_element(place)
    other_line, other_element = line_and_element(other)
    return Alike(
        position=position,
        line=line,
        element=element,
        other_line=other_line,
        other_element=other_element,
        similarity=round(similarity, 2),
    )


def line_and_element(place: int) -> tuple[int, int | None]:
    """What `place_of` has made a place of."""
    line, counted = divmod(place, 1 << _ELEMENT_BITS)
    return line, counted - 1 if counted else None


def _most_alike(prints: Fingerprints) -> tuple[Indexes, Shares]:
    """For each example the most similar of those that it is compared with, and how similar: 0 for none."""
    others = np.zeros(len(prints), dtype=np.intp)
    similarity = np.zeros(len(prints))
    rows, firsts = _earlier_with_same(prints.digests())
    others[rows], similarity[rows] = firsts, 1
    for number in range(BANDS):
        rows, firsts = _earlier_with_same(prints.band(number))
        is_new = similarity[rows] < 1
        rows, firsts = rows[is_new], firsts[is_new]
        for start in range(0, len(rows), _COMPARED_AT_ONCE):
            some = slice(start, start + _COMPARED_AT_ONCE)
            here, there = rows[some], firsts[some]
            shares = _shares(prints, here, there)
            better = (shares >= NEARLY_THE_SAME) & (shares > similarity[here])
            others[here[better]], similarity[here[better]] = there[better], shares[better]
    return others, similarity


def _shares(prints: Fingerprints, rows: Indexes, others: Indexes) -> Shares:
    """How similar each of `rows` is to the one of `others`. Only the very same is 1."""
    signatures = prints.signatures(np.concatenate([rows, others]))
    agreeing = signatures[: len(rows)] == signatures[len(rows) :]
    shares: Shares = agreeing.mean(axis=1)
    return np.minimum(shares, 0.99)


def _earlier_with_same(keys: Array64) -> tuple[Indexes, Indexes]:
    """The indexes of values that occur before, and for each the first index of its value; 0 is no value.

    Some at a time, by their first byte: sorting takes several times the memory of what is sorted.
    """
    first_bytes = keys.view(np.uint8)[:: keys.itemsize]
    rows, earlier = [], []
    for part in range(_PARTS):
        here = np.flatnonzero((first_bytes % _PARTS == part) & (keys != 0))
        _, firsts, places = np.unique(keys[here], return_index=True, return_inverse=True)
        repeats = np.flatnonzero(firsts[places] != np.arange(len(here)))
        rows.append(here[repeats])
        earlier.append(here[firsts[places[repeats]]])
    return np.concatenate(rows), np.concatenate(earlier)
