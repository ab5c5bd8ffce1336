"""What is wrong with each row, also where it takes the rows before it to say so.

It says the same as the reading of the file did; a test compares them.
"""

from dataclasses import dataclass, field

from datasets.formats import BlankRow, Reading, Row, UnreadableRow
from datasets.problems import Problem
from datasets.quality import private_data
from datasets.tokens import count_example
from datasets.validation import check_row, check_tokens, digest, method_of


@dataclass(kw_only=True)
class Checker:
    """Takes the rows of one file in their order."""

    method: str = ""
    examples: int = 0
    first_lines: dict[bytes, int] = field(default_factory=dict)

    def check(self, reading: Reading) -> tuple[list[Problem], int]:
        """The problems of what was read, and its tokens: 0 unless it is an example."""
        if isinstance(reading, Problem):
            return [reading], 0
        if isinstance(reading, UnreadableRow):
            return [reading.problem], 0
        if isinstance(reading, BlankRow):
            return [_blank_line(reading.line)], 0
        problems, tokens = self._check_row(reading)
        if any(problem.is_error for problem in problems):
            return problems, 0
        self.examples += 1
        return problems, tokens

    def _check_row(self, row: Row) -> tuple[list[Problem], int]:
        problems = check_row(row.value, line=row.line)
        if any(problem.is_error for problem in problems):
            return problems, 0
        assert isinstance(row.value, dict)
        tokens = count_example(row.value)
        problems += check_tokens(tokens, line=row.line)
        problems += private_data.check(row.value, line=row.line)
        self.method = self.method or method_of(row.value)
        if method_of(row.value) != self.method:
            problems.append(_mixed_methods(row.line, self.method))
        first_line = self.first_lines.setdefault(digest(row.value), row.line)
        if first_line != row.line:
            problems.append(_duplicate(row.line, first_line))
        return problems, tokens


def _blank_line(line: int) -> Problem:
    return Problem(
        code="blank_line", severity="warning", line=line, message="The line is blank. It was left out."
    )


def _mixed_methods(line: int, method: str) -> Problem:
    return Problem(
        code="mixed_methods",
        line=line,
        message=f"The rows before this one are for {method!r} training, this one is not.",
        expected="Rows of one kind",
        fix="Put conversations and preference pairs into separate files.",
    )


def _duplicate(line: int, first_line: int) -> Problem:
    message = f"The same example stands on line {first_line}."
    return Problem(code="duplicate", severity="warning", line=line, message=message, fix="Keep one of them.")
