"""Every row of a dataset's file in the vendor's shape, whatever the file's format and layout."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

from datasets.formats import MAX_ROWS, Header, RawReading, Reading, Row, UnreadableRow
from datasets.formats.lines import too_many_rows
from datasets.formats.rows import read_rows
from datasets.formats.sections import Section
from datasets.layouts import METHODS, Columns, Converted, NotInLayout, Part, Plan, alpaca, columns, sharegpt
from datasets.layouts.detecting import first_look
from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from datasets.validation.findings import escaped
from finetuning.strict_json import StrictJSONError, shown

Converter = Callable[[Mapping[str, Any]], Converted]

PROMPT_COMPLETION: Columns = {"system": "system", "prompt": "user", "completion": "assistant"}
# A row may have as many names as it likes; so many are told apart.
MAX_UNUSED_FIELDS = 100


def read_examples(file: IO[bytes], plan: Plan) -> Iterator[Reading]:
    """What `file` holds, in file order and without headers; see `datasets.formats`. Never raises for it."""
    plan = completed(plan, file)
    readings = _all_readings(file, plan)
    if plan.layout in METHODS:
        yield from (reading for reading in readings if not isinstance(reading, Header))
    else:
        yield from _Conversion(plan).convert(readings)


def completed(plan: Plan, file: IO[bytes]) -> Plan:
    """The plan, its layout and its columns found out from the first rows of `file` where it has none."""
    if plan.layout:
        return plan
    size = plan.parts[0].size if plan.parts else file.seek(0, os.SEEK_END)
    look = first_look(file, plan.format, size=size)
    return replace(plan, layout=look.layout, columns=look.columns)


def _all_readings(file: IO[bytes], plan: Plan) -> Iterator[RawReading]:
    if not plan.parts:
        yield from read_rows(file, plan.format)
        return
    rows, start = 0, 0
    for part in plan.parts:
        section = Section(file, start=start, size=part.size)
        for reading in (_moved(one, part) for one in read_rows(section, plan.format)):
            if not isinstance(reading, Problem | Header):
                rows += 1
                if rows > MAX_ROWS:
                    yield too_many_rows(reading.line)
                    return
            yield reading
        start += part.size


def _moved(reading: RawReading, part: Part) -> RawReading:
    """The reading with its line counted through all files."""
    offset = part.first_line - 1
    if isinstance(reading, Problem):
        return _moved_problem(reading, offset)
    if isinstance(reading, UnreadableRow):
        problem = _moved_problem(reading.problem, offset)
        return UnreadableRow(line=reading.line + offset, problem=problem)
    return replace(reading, line=reading.line + offset)


def _moved_problem(problem: Problem, offset: int) -> Problem:
    return problem if problem.line is None else replace(problem, line=problem.line + offset)


class _Conversion:
    """Rows of one layout on their way into the vendor's shape. Says once of a field that it is not used."""

    def __init__(self, plan: Plan) -> None:
        self._columns = PROMPT_COMPLETION if plan.layout == "prompt_completion" else plan.columns
        self._is_table = plan.layout in ("columns", "prompt_completion")
        self._converter: Converter = {"alpaca": alpaca.convert, "sharegpt": sharegpt.convert}.get(
            plan.layout, self._from_columns
        )
        self._unused: set[str] = set()

    def _from_columns(self, row: Mapping[str, Any]) -> Converted:
        return columns.convert(row, self._columns)

    def convert(self, readings: Iterable[RawReading]) -> Iterator[Reading]:
        for reading in readings:
            if isinstance(reading, Header):
                problems = self._header(reading)
                yield from problems
                if any(problem.is_error for problem in problems):
                    return
            elif isinstance(reading, Row) and isinstance(reading.value, dict):
                yield from self._row(reading, reading.value)
            else:
                yield reading

    def _header(self, header: Header) -> list[Problem]:
        problems = list(columns.header_problems(header, self._columns)) if self._is_table else []
        self._unused |= set(header.columns) if self._is_table else set()
        return problems

    def _row(self, row: Row, value: Mapping[str, Any]) -> Iterator[Reading]:
        try:
            converted = self._converter(value)
        except NotInLayout as refusal:
            yield UnreadableRow(line=row.line, problem=refusal.at(row.line).inside(row.element))
        except StrictJSONError as error:
            pointer = error.pointer[:MAX_POINTER_CHARACTERS]
            problem = Problem(code=error.code, line=row.line, pointer=pointer, message=error.message)
            yield UnreadableRow(line=row.line, problem=problem.inside(row.element))
        else:
            unused = self._not_used(converted.unused, row.line)
            yield from (problem.inside(row.element) for problem in unused)
            yield replace(row, value=converted.value)

    def _not_used(self, names: Iterable[str], line: int) -> Iterator[Problem]:
        for name in names:
            if name in self._unused or len(self._unused) > MAX_UNUSED_FIELDS:
                continue
            self._unused.add(name)
            message = f'The field "{shown(name)}" is not used, here and in all other rows.'
            if len(self._unused) > MAX_UNUSED_FIELDS:
                message = f"More than {MAX_UNUSED_FIELDS} fields are not used. The others are not named."
            pointer = f"/{escaped(name)}"[:MAX_POINTER_CHARACTERS]
            yield Problem(
                code="unused_column", severity="warning", line=line, pointer=pointer, message=message
            )
