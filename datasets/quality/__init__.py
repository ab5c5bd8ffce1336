"""What training data is like: duplicates, private data, lengths, roles, languages, answers.

Feed the accepted rows of a file, or of a part of it, to a `Quality`. Those of several parts are merged;
`dump` and `load` carry one from worker to worker. `report` says what was found.

    quality = Quality()
    warnings = quality.add(row, line=1, tokens=23)
    quality.merge(Quality.load(dumped))
    print(quality.report().health.score)

Memory: 8 bytes an example, 40 while the report is made, and a constant; 72 bytes in a temporary file.
"""

from array import array
from collections.abc import Mapping
from typing import Any, Self

import msgspec
import numpy as np

from datasets.problems import Problem
from datasets.quality import duplicates, private_data
from datasets.quality.duplicates import Alike
from datasets.quality.fingerprints import Fingerprints
from datasets.quality.health import Health, health_of
from datasets.quality.statistics import Statistics, Summary
from datasets.quality.texts import texts_of
from datasets.validation.plain import PlainRow

BATCH_BYTES = 256 * 1024
KEPT_DUPLICATES = 1_000


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is like; `msgspec.to_builtins` makes JSON of it.

    `exact_duplicates` and `near_duplicates` count the examples that repeat an earlier one; the first 1,000
    of each are listed in `duplicates`. `private_data` counts findings by kind.
    """

    summary: Summary
    exact_duplicates: int
    near_duplicates: int
    duplicates: list[Alike]
    private_data: dict[str, int]
    health: Health


class _State(msgspec.Struct, kw_only=True):
    statistics: Statistics = msgspec.field(default_factory=Statistics)
    private_data: dict[str, int] = msgspec.field(default_factory=dict)
    lines: bytes = b""
    digests: bytes = b""
    signatures: bytes = b""


class Quality:
    """Accumulates over rows. Not thread-safe."""

    def __init__(self) -> None:
        self._statistics = Statistics()
        self._private_data: dict[str, int] = {}
        self._prints = Fingerprints()
        self._waiting_places = array("L")
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._plain: list[PlainRow] = []
        self._plain_tokens: list[int] = []

    def add(
        self, row: Mapping[str, Any], *, line: int, element: int | None = None, tokens: int
    ) -> list[Problem]:
        """Take in a valid row with its place and its token count. Returns warnings of private data in it."""
        self._take_plain()
        texts = texts_of(row)
        self._statistics.add(row, texts, tokens=tokens)
        words = "\n".join(texts).encode()
        self._remember(words, duplicates.place_of(line, element))
        self._wait_with(len(words))
        return self.private_in(row, line=line)

    def add_plain(self, row: PlainRow, *, tokens: int) -> None:
        """The same for a row of nothing but texts, except that `private_in` is asked apart, and only where
        `private_data.looks_private`.
        """
        self._plain.append(row)
        self._plain_tokens.append(tokens)
        self._wait_with(len(row.words))

    def private_in(self, row: Mapping[str, Any], *, line: int) -> list[Problem]:
        """Count what is private in a row. Returns a warning for each finding."""
        found = list(private_data.find(row))
        for finding in found:
            self._private_data[finding.kind] = self._private_data.get(finding.kind, 0) + 1
        return [private_data.problem_of(finding, line=line) for finding in found]

    def merge(self, other: Self) -> None:
        """Take in what another one has seen of the same file.

        The order only matters to which system prompts are counted of a file that has more than 1,000.
        """
        other._settle()
        self._settle()
        self._statistics.merge(other._statistics)
        for kind, count in other._private_data.items():
            self._private_data[kind] = self._private_data.get(kind, 0) + count
        self._prints.merge(other._prints)

    def dump(self) -> bytes:
        """What `load` makes an equal one of, for JSON Lines: no other format is read in parts."""
        self._settle()
        places, digests, signatures = self._prints.parts()
        state = _State(
            statistics=self._statistics,
            private_data=self._private_data,
            lines=duplicates.lines_of(np.array(places, dtype=np.uint64)).tobytes(),
            digests=digests,
            signatures=signatures,
        )
        return msgspec.msgpack.encode(state)

    @classmethod
    def load(cls, dumped: bytes) -> Self:
        """Raises msgspec.DecodeError for anything that `dump` did not write."""
        state = msgspec.msgpack.decode(dumped, type=_State)
        quality = cls()
        quality._statistics = state.statistics
        quality._private_data = state.private_data
        places = duplicates.places_of(np.frombuffer(state.lines, dtype=np.uint64))
        quality._prints.add(array("L", places.tobytes()), state.digests, state.signatures)
        return quality

    def report(self) -> QualityReport:
        """What all rows together are like."""
        found = self.repeated()
        summary = self._statistics.summary()
        exact = [alike for alike in found if alike.similarity == 1]
        near = [alike for alike in found if alike.similarity < 1]
        return QualityReport(
            summary=summary,
            exact_duplicates=len(exact),
            near_duplicates=len(near),
            duplicates=exact[:KEPT_DUPLICATES] + near[:KEPT_DUPLICATES],
            private_data=dict(sorted(self._private_data.items())),
            health=health_of(summary, repeated=len(found), private=sum(self._private_data.values())),
        )

    def repeated(self) -> list[Alike]:
        """Each row that says the same, or nearly, as an earlier one, in the order of the file."""
        self._settle()
        return duplicates.repeated(self._prints)

    def _wait_with(self, size: int) -> None:
        """Let rows of so many bytes wait for others: what is done to many at once costs each of them less."""
        self._waiting_bytes += size
        if self._waiting_bytes >= BATCH_BYTES:
            self._settle()

    def _settle(self) -> None:
        """Nothing waits any more."""
        self._take_plain()
        self._prints.add(self._waiting_places, *duplicates.fingerprints_of(self._waiting))
        del self._waiting_places[:]
        self._waiting.clear()
        self._waiting_bytes = 0

    def _take_plain(self) -> None:
        if not self._plain:
            return
        self._statistics.add_plain([row.messages for row in self._plain], tokens=self._plain_tokens)
        for row in self._plain:
            self._remember(row.words, duplicates.place_of(row.line, None))
        self._plain.clear()
        self._plain_tokens.clear()

    def _remember(self, words: bytes, place: int) -> None:
        self._waiting_places.append(place)
        self._waiting.append(words)
