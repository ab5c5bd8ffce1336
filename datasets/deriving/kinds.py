"""What each kind of change makes of the lines of its parent.

The kinds up to `filter` make the next version of the same dataset and say how it differs; the others make
another dataset, which takes examples only.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from datasets.deriving.lines import Line
from datasets.deriving.output import Output
from datasets.formats import BlankRow, Row, UnreadableRow
from datasets.layouts import Plan
from datasets.models import Dataset, DatasetEdit
from datasets.quality.private_data import Placeholders, redact, redact_text
from datasets.tally import Tally, judge
from datasets.training_files import validation_positions
from datasets.validation.repairs import repair_row
from finetuning.strict_json import loads

Lines = Callable[[], Iterator[Line]]


def repair(dataset: Dataset, lines: Lines, output: Output) -> None:
    """Mend what can be mended mechanically."""
    for line in lines():
        value = line.value
        repaired = repair_row(value, line=line.number)
        if repaired.mended:
            output.counts["mended"] += len(repaired.mended)
            output.replace(line, line.written(repaired.value), before=value, after=repaired.value)
        else:
            output.keep(line)


def apply_edits(dataset: Dataset, lines: Lines, output: Output) -> None:
    """Change and delete the examples that the edits name; the new ones come last."""
    applied = dataset.edits.filter(applied=True).order_by("id")
    edits = {edit.position: edit for edit in applied if edit.position is not None}
    for line in lines():
        edit = edits.get(line.position) if line.position is not None else None
        if edit is None:
            output.keep(line)
        elif edit.kind == DatasetEdit.Kind.DELETE:
            output.remove(line)
        else:
            row = loads(edit.row.encode())
            output.replace(line, line.written(row), before=line.value, after=row)
    for edit in applied:
        if edit.kind == DatasetEdit.Kind.ADD:
            output.add(edit.row.encode() + b"\n")


def redact_private_data(dataset: Dataset, lines: Lines, output: Output) -> None:
    """Put placeholders in the place of what is private: the same one for the same value in the whole file."""
    placeholders = Placeholders()
    for line in lines():
        placeholders.reserve(line.text)
    for line in lines():
        before = len(placeholders.replaced)
        value = line.value
        if isinstance(line.reading, UnreadableRow):
            _redact_as_text(line, placeholders, output)
        elif (redacted := redact(value, placeholders)) != value:
            output.replace(line, line.written(redacted), before=value, after=redacted)
        else:
            output.keep(line)
        output.counts["redacted"] += len(placeholders.replaced) - before
    output.counts["values"] = len(set(placeholders.replaced))


def _redact_as_text(line: Line, placeholders: Placeholders, output: Output) -> None:
    """A row that is no JSON keeps its faults, but not what is private in it."""
    try:
        text = (line.content or b"").decode()
    except UnicodeDecodeError:
        text = ""
    redacted = redact_text(text, placeholders)
    if not text:
        output.counts["not_redacted"] += 1
    if redacted == text:
        output.keep(line)
    else:
        output.replace(line, redacted.encode(), before=text, after=redacted)


def filter_lines(dataset: Dataset, lines: Lines, output: Output) -> None:
    """Keep the lines that match, or the others. Lines that are no example match by their problems only."""
    wanted: dict[str, Any] = dataset.change or {}
    keeps_matching = wanted["keep"] == "matching"
    parent = dataset.parent
    assert parent is not None
    tally = Tally(plan=parent.plan)
    problem = wanted.get("problem")
    repeating, examples = _repeating(lines, parent.plan, problem), count()
    for line in lines():
        tokens, problems = judge(line.reading, tally)
        has_problem = any(found.code == problem for found in problems)
        if tokens and next(examples) in repeating:
            has_problem = True
        matches = _matches(line, tokens, wanted) and (has_problem or problem is None)
        stays_anyway = isinstance(line.reading, BlankRow) and problem != "blank_line"
        if matches == keeps_matching or stays_anyway:
            output.keep(line)
        else:
            output.remove(line)


def _repeating(lines: Lines, plan: Plan, problem: str | None) -> set[int]:
    """The examples, counted from 0, that repeat others, if it is those that are asked for."""
    if problem not in ("duplicate", "near_duplicate"):
        return set()
    tally = Tally(plan=plan)
    for line in lines():
        judge(line.reading, tally)
    found = tally.quality.repeated()
    return {alike.position for alike in found if alike.code == problem}


def _matches(line: Line, tokens: int, wanted: dict[str, Any]) -> bool:
    """Whether all that is asked for, except the problem, holds."""
    return (
        ("search" not in wanted or _says(line, wanted["search"]))
        and ("minTokens" not in wanted or tokens >= wanted["minTokens"] > 0)
        and ("maxTokens" not in wanted or 0 < tokens <= wanted["maxTokens"])
    )


def _says(line: Line, search: str) -> bool:
    """Whether the text stands anywhere in the row, capitals or not."""
    if not isinstance(line.reading, Row):
        return False
    # What is looked for is written as it stands in JSON.
    text = json.dumps(search, ensure_ascii=False)[1:-1].lower()
    return text in json.dumps(line.reading.value, ensure_ascii=False).lower()


def sample(dataset: Dataset, lines: Lines, output: Output) -> None:
    """So many examples, chosen by a seed: always the same ones for the same parent."""
    change, parent = dataset.change or {}, dataset.parent
    assert parent is not None
    ranked = sorted(range(parent.total_examples), key=lambda position: _rank(change["seed"], position))
    _take(lines, output, frozenset(ranked[: change["count"]]))


def split(dataset: Dataset, lines: Lines, output: Output) -> None:
    """One of both parts. What belongs together is in the same one."""
    change, parent = dataset.change or {}, dataset.parent
    assert parent is not None
    held = validation_positions(parent, split=change["ratio"], seed=change["seed"])
    rest = frozenset(range(parent.total_examples)) - held
    _take(lines, output, held if change["part"] == "validation" else rest)


def merge(dataset: Dataset, lines: Lines, output: Output) -> None:
    """All examples of all sources, one source after the other."""
    for line in lines():
        if line.position is None:
            output.leave_out(line)
        else:
            output.keep(line)


def _take(lines: Lines, output: Output, positions: frozenset[int]) -> None:
    for line in lines():
        if line.position in positions:
            output.keep(line)
        else:
            output.leave_out(line)


def _rank(seed: int, position: int) -> bytes:
    return hashlib.sha256(f"{seed}:{position}".encode()).digest()


KINDS: dict[str, Callable[[Dataset, Lines, Output], None]] = {
    "repairs": repair,
    "edits": apply_edits,
    "redaction": redact_private_data,
    "filter": filter_lines,
    "sample": sample,
    "split": split,
    "merge": merge,
}
