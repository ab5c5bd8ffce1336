"""What is wrong with a row, in words that tell its owner how to mend it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from datasets.problem_codes import Severity

# All are counted; so many of each code are kept with their line.
KEPT_PER_CODE = 1_000
# As many as are stored with a problem; keys may be megabytes long.
MAX_POINTER_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong (`error`: the row is rejected) or worth a look (`warning`).

    `line` counts physical lines from 1 and is None for the file as a whole. `pointer` is a JSON pointer
    (RFC 6901) into the row; in a JSON array it begins with the number of the element, `element`.
    Every text can be stored and shown as it is.
    """

    code: str
    message: str
    severity: Severity = "error"
    line: int | None = None
    element: int | None = None
    pointer: str = ""
    found: str = ""
    expected: str = ""
    fix: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def inside(self, element: int | None) -> Self:
        """The same problem where the row that it is in is an element of an array."""
        if element is None:
            return self
        return replace(self, element=element, pointer=f"/{element}{self.pointer}"[:MAX_POINTER_CHARACTERS])


@dataclass(kw_only=True)
class Report:
    """All problems of a file: each counted by its code, the first of each code kept, in file order."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[Problem] = field(default_factory=list)
    errors: int = 0

    def add(self, problem: Problem) -> None:
        """Count it, and keep it unless there are enough of its code."""
        self.counts[problem.code] += 1
        self.errors += problem.is_error
        if self.counts[problem.code] <= KEPT_PER_CODE:
            self.kept.append(problem)

    def add_counts(self, counts: Mapping[str, int], *, errors: int) -> None:
        """Count problems that are kept elsewhere."""
        self.counts.update(counts)
        self.errors += errors
