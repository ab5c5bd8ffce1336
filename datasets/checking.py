"""What is wrong with each row, also where it takes the rows before it to say so.

The reading of a file, its preview, its full report and versions that are made of it all ask here.
"""

from dataclasses import dataclass, field

from datasets.formats import Reading, Row, UnreadableRow
from datasets.layouts import Plan
from datasets.problems import Problem, Report
from datasets.quality import private_data
from datasets.tokens import count_example
from datasets.validation import check_row, check_tokens, digest, method_of


@dataclass(kw_only=True)
class Tally:
    """What has been counted so far: examples + rejected + blank = lines.

    `method` is that of the plan's layout, else of the first row.
    """

    plan: Plan
    report: Report = field(default_factory=Report)
    method: str = ""
    lines: int = 0
    examples: int = 0
    rejected: int = 0
    blank: int = 0
    tokens: int = 0
    first_lines: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.method = self.method or self.plan.method


def judge(reading: Reading, tally: Tally) -> tuple[int, list[Problem]]:
    """The tokens of what was read, 0 where it is no example, and its problems; the previews ask here too."""
    if isinstance(reading, Row):
        return _check(reading, tally)
    if isinstance(reading, Problem):
        return 0, [reading]
    if isinstance(reading, UnreadableRow):
        return 0, [reading.problem]
    return 0, [_blank_line(reading.line)]


def _blank_line(line: int) -> Problem:
    return Problem(
        code="blank_line", severity="warning", line=line, message="The line is blank. It was left out."
    )


def _check(row: Row, tally: Tally) -> tuple[int, list[Problem]]:
    """The row's tokens, and what is wrong with it."""
    problems = check_row(row.value, line=row.line)
    if any(problem.is_error for problem in problems):
        return 0, problems
    assert isinstance(row.value, dict)
    tokens = count_example(row.value)
    problems += check_tokens(tokens, line=row.line)
    problems += private_data.check(row.value, line=row.line)
    tally.method = tally.method or method_of(row.value)
    if method_of(row.value) != tally.method:
        problems.append(_mixed_methods(row.line, tally.method))
    first_line = tally.first_lines.setdefault(digest(row.value), row.line)
    if first_line != row.line:
        problems.append(_duplicate(row.line, tally.plan.place_in_words(first_line)))
    return tokens, problems


def _mixed_methods(line: int, method: str) -> Problem:
    return Problem(
        code="mixed_methods",
        line=line,
        message=f"The dataset's rows are for {method!r} training, this one is not.",
        expected="Rows of one kind",
        fix="Put conversations and preference pairs into separate files.",
    )


def _duplicate(line: int, first_place: str) -> Problem:
    message = f"The same example stands on {first_place}."
    return Problem(code="duplicate", severity="warning", line=line, message=message, fix="Keep one of them.")
