"""What rows are known again by: a digest, for the very same, and a signature, for nearly the same.

digest     8 bytes of the SHA-256 of the row's words, capitals or not
signature  64 bytes of minima (`duplicates`), all zero for a text that is too short to be judged
"""

import tempfile
import weakref
from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DIGEST_BYTES = 8
SIGNATURE_BYTES = 64
# A signature is made of so many numbers, the bands.
BANDS = SIGNATURE_BYTES // 8
MEMORY_BYTES = 1024 * 1024

_COLUMNS = 1 + BANDS
_RECORD_BYTES = DIGEST_BYTES + SIGNATURE_BYTES
_RECORDS_AT_ONCE = 10_000

Array64 = npt.NDArray[np.uint64]
Array8 = npt.NDArray[np.uint8]
Indexes = npt.NDArray[np.intp]


class Fingerprints:
    """Those of many rows. All but the place of a row, a number, is kept in a temporary file, for it would be
    the largest part of the memory that a file of a gigabyte takes. Indexes count rows in the order of places.
    """

    def __init__(self) -> None:
        self._places = array("L")
        self._records = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - closed below
        weakref.finalize(self, self._records.close)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, places: "array[int]", digests: bytes, signatures: bytes) -> None:
        """Take in rows: for each its place, its digest and its signature, in any order of places."""
        records = np.empty((len(places), _COLUMNS), dtype=np.uint64)
        records[:, 0] = np.frombuffer(digests, dtype=np.uint64)
        records[:, 1:] = np.frombuffer(signatures, dtype=np.uint64).reshape(-1, BANDS)
        self._places += places
        self._records.seek(0, 2)
        self._records.write(records.tobytes())

    def parts(self) -> "tuple[array[int], bytes, bytes]":
        """What `add` takes to make an equal one."""
        records = np.concatenate([*self._chunks(), np.empty((0, _COLUMNS), dtype=np.uint64)])
        return self._places, records[:, 0].tobytes(), records[:, 1:].tobytes()

    def merge(self, other: "Fingerprints") -> None:
        """Take in all rows of another one."""
        self.add(*other.parts())

    def places(self) -> Array64:
        """The place of each row."""
        places = np.array(self._places, dtype=np.uint64)
        order = self._order()
        return places if order is None else places[order]

    def digests(self) -> Array64:
        """The digest of each row, as a number."""
        return self._column(0)

    def band(self, number: int) -> Array64:
        """Eight bytes of each row's signature, as a number; 0 for a row that is not judged."""
        return self._column(1 + number)

    def signatures(self, rows: Indexes) -> Array8:
        """The signatures of these rows, k x 64 bytes."""
        order = self._order()
        wanted, places = np.unique(rows if order is None else order[rows], return_inverse=True)
        found, start = [np.empty((0, SIGNATURE_BYTES), dtype=np.uint8)], 0
        for records in self._chunks():
            here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(records))]
            found.append(records[here - start].view(np.uint8)[:, DIGEST_BYTES:])
            start += len(records)
        return np.concatenate(found)[places]

    def _column(self, number: int) -> Array64:
        column, start = np.empty(len(self), dtype=np.uint64), 0
        for records in self._chunks():
            column[start : start + len(records)] = records[:, number]
            start += len(records)
        order = self._order()
        return column if order is None else column[order]

    def _chunks(self) -> Iterator[Array64]:
        self._records.seek(0)
        while chunk := self._records.read(_RECORDS_AT_ONCE * _RECORD_BYTES):
            yield np.frombuffer(chunk, dtype=np.uint64).reshape(-1, _COLUMNS)

    def _order(self) -> Indexes | None:
        """Where in the file the rows are in the order of their places; None: they are in that order."""
        places = np.frombuffer(self._places, dtype=np.dtype(self._places.typecode))
        return None if np.all(places[:-1] <= places[1:]) else np.argsort(places, kind="stable")
