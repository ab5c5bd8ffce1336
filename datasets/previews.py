"""The verdict on the first rows of a file, before it is kept: validation's own, by the same code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, cast

from django.core.files.uploadedfile import UploadedFile

from datasets import uploads
from datasets.formats import BLOCK_BYTES, MAX_ROW_BYTES, BlankRow, Row
from datasets.formats.sections import Section
from datasets.layouts import Columns, Plan
from datasets.layouts.reading import read_examples
from datasets.models import Dataset, DatasetProblem
from datasets.problems import Problem
from datasets.tally import Tally, judge, repeated

PREVIEWED_ROWS = 10
# Somebody waits for it, so of text only the beginning is looked at: one row of the largest size, and more.
PREVIEWED_BYTES = MAX_ROW_BYTES + BLOCK_BYTES


@dataclass(frozen=True, kw_only=True)
class PreviewedRow:
    """One row: what would be trained of it (None where it could not be read), its tokens and problems.

    `problems_before` counts the file's own problems that were found before it.
    """

    line: int
    place: str
    row: object
    token_count: int
    problems: list[DatasetProblem]
    problems_before: int

    @property
    def accepted(self) -> bool:
        return self.row is not None and not any(problem.severity == "error" for problem in self.problems)


@dataclass(kw_only=True)
class Preview:
    """The first rows, and the file's own problems up to there. `dataset` is what an upload would make, not
    stored; `columns` are those of a table; `complete` is false when the file has more rows.
    """

    dataset: Dataset
    columns: tuple[str, ...]
    rows: list[PreviewedRow]
    problems: list[DatasetProblem]
    complete: bool = True

    @property
    def format(self) -> str:
        return self.dataset.format

    @property
    def layout(self) -> str:
        return self.dataset.layout

    @property
    def column_mapping(self) -> Columns:
        mapping: Columns = self.dataset.column_mapping
        return mapping

    def drop_cut_row(self) -> None:
        """Forget the last row of what is only the beginning of a file: what is cut through says nothing."""
        if self.complete and self.rows:
            self.rows.pop()
            known = self.rows[-1].problems_before if self.rows else 0
            self.problems = self.problems[:known]
        self.complete = False


def preview_upload(
    files: "Sequence[UploadedFile[bytes]]",
    *,
    format: str = "",
    layout: str = "",
    column_mapping: Columns | None = None,
    limit: int = PREVIEWED_ROWS,
    max_bytes: int = PREVIEWED_BYTES,
) -> Preview:
    """The verdict on the first `limit` rows, of text on those in the first `max_bytes`.

    Raises what `uploads.taken_in` raises.
    """
    with uploads.taken_in(files, format=format, layout=layout, columns=column_mapping) as intake:
        dataset = Dataset(file_name=intake.file_name, **uploads.columns_of(intake.plan))
        preview = Preview(dataset=dataset, columns=intake.look.names, rows=[], problems=[])
        is_cut = intake.plan.format != "parquet" and intake.size > max_bytes
        size = max_bytes if is_cut else intake.size
        beginning = Section(cast("IO[bytes]", intake.content), start=0, size=size)
        _fill(preview, cast("IO[bytes]", beginning), intake.plan, limit)
        if is_cut:
            preview.drop_cut_row()
        return preview


def _fill(preview: Preview, file: IO[bytes], plan: Plan, limit: int) -> None:
    tally = Tally(plan=plan)
    for reading in read_examples(file, plan):
        if len(preview.rows) == limit:
            preview.complete = False
            break
        tokens, found = judge(reading, tally)
        problems = [_of(preview.dataset, problem) for problem in found]
        if isinstance(reading, Problem):
            preview.problems += problems
        else:
            row = reading.value if isinstance(reading, Row) else None
            element = None if isinstance(reading, BlankRow) else reading.element
            preview.rows.append(
                PreviewedRow(
                    line=reading.line,
                    place=plan.place_in_words(reading.line, element),
                    row=row,
                    token_count=tokens,
                    problems=problems,
                    problems_before=len(preview.problems),
                )
            )

    examples = [row for row in preview.rows if row.accepted]
    repeating = tally.quality.repeated()
    for alike, problem in zip(repeating, repeated(repeating, plan), strict=True):
        examples[alike.position].problems.append(_of(preview.dataset, problem))


def _of(dataset: Dataset, problem: Problem) -> DatasetProblem:
    return DatasetProblem(dataset=dataset, **vars(problem))
