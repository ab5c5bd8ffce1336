"""Every problem of a dataset, read from its file again: also those beyond the first of each kind."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Literal

import msgspec

from datasets.deriving.lines import local_file, readings_of
from datasets.exporting import NothingStored
from datasets.formats import Row
from datasets.models import Dataset
from datasets.problems import Problem
from datasets.tally import Tally, judge, repeated
from datasets.validation import check_size
from finetuning.inert import csv_row

COLUMNS = ("severity", "code", "line", "pointer", "message", "found", "expected", "fix")
ReportFormat = Literal["csv", "jsonl"]


def report(dataset: Dataset, file_format: ReportFormat) -> Iterator[bytes]:
    """The report as a file, piece by piece. Cells of CSV do nothing in a spreadsheet.

    Raises NothingStored and FileChanged before the first piece.
    """
    if not dataset.file:
        raise NothingStored(f"{dataset.name} has no file yet.")
    with ExitStack() as stack:
        file = stack.enter_context(local_file(dataset))
        return _pieces(all_problems(dataset, file), file_format, stack.pop_all())


def all_problems(dataset: Dataset, file: IO[bytes]) -> Iterator[Problem]:
    """In the order of the dataset's file, what concerns all of it last."""
    tally, examples = Tally(plan=dataset.plan), 0
    for reading in readings_of(dataset, file):
        _, problems = judge(reading, tally)
        yield from problems
        examples += isinstance(reading, Row) and not any(problem.is_error for problem in problems)
    yield from repeated(tally.quality.repeated(), dataset.plan)
    yield from check_size(examples=examples)


def _pieces(problems: Iterator[Problem], file_format: ReportFormat, opened: ExitStack) -> Iterator[bytes]:
    with opened:
        if file_format == "csv":
            yield csv_row(COLUMNS)
        for problem in problems:
            values = {name: getattr(problem, name) for name in COLUMNS}
            if file_format == "csv":
                yield csv_row("" if value is None else str(value) for value in values.values())
            else:
                yield msgspec.json.encode(values) + b"\n"
