"""What the rows of a file, or of a part of it, amount to. Every line of it is counted."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from datasets.formats import BlankRow, Reading, Row, UnreadableRow
from datasets.layouts import Plan
from datasets.problems import Problem, Report
from datasets.quality import Quality
from datasets.quality.duplicates import Alike
from datasets.quality.private_data import looks_private
from datasets.tokens import count_example, count_spoken
from datasets.validation import MAX_EXAMPLE_TOKENS, check_row, check_tokens, method_of
from datasets.validation.plain import PlainRow


class LinesLost(Exception):
    """Lines were read that became neither a stored example nor a problem: a fault of ours."""


class Accepted(msgspec.Struct, gc=False):
    """A row that becomes an example, its values as JSON."""

    line: int
    messages: bytes
    attributes: bytes
    tokens: int
    element: int | None = None

    @property
    def size(self) -> int:
        return len(self.messages) + len(self.attributes)


class _Dumped(msgspec.Struct, kw_only=True):
    method: str
    lines: int
    examples: int
    rejected: int
    blank: int
    tokens: int
    stored: int
    problem_counts: dict[str, int]
    errors: int
    quality: bytes


@dataclass(kw_only=True)
class Tally:
    """What has been counted so far: examples + rejected + blank = lines.

    `method` is what rows of the plan's layout train, else what the first good row does; rows that train
    something else are rejected. `stored` is how many examples the database has taken.
    """

    plan: Plan
    method: str = ""
    lines: int = 0
    examples: int = 0
    rejected: int = 0
    blank: int = 0
    tokens: int = 0
    stored: int = 0
    report: Report = field(default_factory=Report)
    quality: Quality = field(default_factory=Quality)

    def __post_init__(self) -> None:
        self.method = self.method or self.plan.method

    def check_lines(self) -> None:
        """Raises LinesLost unless every line is accounted for."""
        counted = f"{self.examples} examples + {self.rejected} rejected + {self.blank} blank"
        if self.examples + self.rejected + self.blank != self.lines:
            raise LinesLost(f"{counted} != {self.lines} lines")
        if self.stored != self.examples:
            raise LinesLost(f"{self.stored} of {self.examples} examples were stored")

    def merge(self, dumped: bytes) -> None:
        """Add what another part of the file came to, as `dump` has it; its problems are kept elsewhere."""
        other = msgspec.msgpack.decode(dumped, type=_Dumped)
        self.method = self.method or other.method
        self.lines += other.lines
        self.examples += other.examples
        self.rejected += other.rejected
        self.blank += other.blank
        self.tokens += other.tokens
        self.stored += other.stored
        self.report.add_counts(other.problem_counts, errors=other.errors)
        self.quality.merge(Quality.load(other.quality))

    def dump(self) -> bytes:
        """What `merge` of another one takes."""
        dumped = _Dumped(
            method=self.method,
            lines=self.lines,
            examples=self.examples,
            rejected=self.rejected,
            blank=self.blank,
            tokens=self.tokens,
            stored=self.stored,
            problem_counts=self.report.counts,
            errors=self.report.errors,
            quality=self.quality.dump(),
        )
        return msgspec.msgpack.encode(dumped)


def judged(blocks: Iterable[Sequence[Reading | PlainRow]], tally: Tally) -> Iterator[Accepted]:
    """Count all that was read, with its problems, and pass on the rows that become examples."""
    for block in blocks:
        tokens = _tokens_of([reading for reading in block if isinstance(reading, PlainRow)])
        for reading in block:
            if isinstance(reading, Problem):
                tally.report.add(reading)
                continue
            accepted = (
                _judge_plain(reading, tokens[reading.line], tally)
                if isinstance(reading, PlainRow)
                else _judge_other(reading, tally)
            )
            tally.lines += 1
            if accepted is not None:
                tally.examples += 1
                tally.tokens += accepted.tokens
                yield accepted


def _tokens_of(rows: list[PlainRow]) -> dict[int, int]:
    """The tokens of each row, by its line."""
    counted = count_spoken([row.messages for row in rows])
    return dict(zip([row.line for row in rows], counted, strict=True))


def _judge_plain(row: PlainRow, tokens: int, tally: Tally) -> Accepted | None:
    tally.method = tally.method or row.method
    if tokens > MAX_EXAMPLE_TOKENS or row.method != tally.method:
        return _judge_other(Row(line=row.line, value=row.as_json()), tally)
    tally.quality.add_plain(row, tokens=tokens)
    if looks_private(row.words):
        for problem in tally.quality.private_in(row.as_json(), line=row.line):
            tally.report.add(problem)
    return Accepted(row.line, row.stored_messages, row.attributes, tokens)


def _judge_other(reading: Row | UnreadableRow | BlankRow, tally: Tally) -> Accepted | None:
    tokens, problems = judge(reading, tally)
    for problem in problems:
        tally.report.add(problem)
    if isinstance(reading, Row) and not _has_error(problems):
        return _accepted(reading, tokens)
    if isinstance(reading, BlankRow):
        tally.blank += 1
    else:
        tally.rejected += 1
    return None


def judge(reading: Reading, tally: Tally) -> tuple[int, list[Problem]]:
    """The tokens of what was read, 0 where it is no example, and what is wrong with it.

    That it repeats another row is told by `repeated` at the end.
    """
    if isinstance(reading, Row):
        tokens, problems = _judge_row(reading, tally)
        return tokens, [problem.inside(reading.element) for problem in problems]
    if isinstance(reading, Problem):
        return 0, [reading]
    if isinstance(reading, UnreadableRow):
        return 0, [reading.problem]
    return 0, [_blank_line(reading.line)]


def _judge_row(row: Row, tally: Tally) -> tuple[int, list[Problem]]:
    problems = check_row(row.value, line=row.line)
    if _has_error(problems):
        return 0, problems
    assert isinstance(row.value, dict)
    tokens = count_example(row.value)
    problems += [*check_tokens(tokens, line=row.line), *_check_method(row, tally)]
    if _has_error(problems):
        return 0, problems
    found = tally.quality.add(row.value, line=row.line, element=row.element, tokens=tokens)
    return tokens, problems + found


def repeated(found: Iterable[Alike], plan: Plan) -> Iterator[Problem]:
    """The warnings of examples that repeat an earlier one."""
    for alike in found:
        place = plan.place_in_words(alike.other_line, alike.other_element)
        problem = Problem(
            code=alike.code,
            severity="warning",
            line=alike.line,
            message=f"The same example stands on {place}."
            if alike.similarity == 1
            else f"The example is {alike.similarity:.0%} like the one on {place}.",
            fix="Keep one of them.",
        )
        yield problem.inside(alike.element)


def _has_error(problems: list[Problem]) -> bool:
    return any(problem.is_error for problem in problems)


def _check_method(row: Row, tally: Tally) -> Iterator[Problem]:
    method = method_of(row.value)
    tally.method = tally.method or method
    if method != tally.method:
        yield Problem(
            code="mixed_methods",
            line=row.line,
            message=f"The dataset's rows are for {tally.method!r} training, this one is not.",
            expected="Rows of one kind",
            fix="Put conversations and preference pairs into separate files.",
        )


def _accepted(row: Row, tokens: int) -> Accepted:
    assert isinstance(row.value, dict)
    messages, attributes = split_row(row.value)
    return Accepted(
        line=row.line,
        messages=_as_json(messages),
        attributes=_as_json(attributes),
        tokens=tokens,
        element=row.element,
    )


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def split_row(row: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The messages of a row and everything else; `training_files.row_of` puts them together again."""
    if method_of(row) == "dpo":
        prompt = {key: value for key, value in row["input"].items() if key != "messages"}
        return row["input"]["messages"], row | {"input": prompt}
    return row["messages"], {key: value for key, value in row.items() if key != "messages"}


def _blank_line(line: int) -> Problem:
    return Problem(
        code="blank_line", severity="warning", line=line, message="The line is blank. It was left out."
    )
