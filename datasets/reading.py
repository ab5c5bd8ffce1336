"""Reading a dataset's file: every line becomes an example or a problem, and the counts say so."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils import timezone

from datasets.checking import Tally, judge
from datasets.deriving import write_derived
from datasets.formats import BlankRow, Reading, Row
from datasets.layouts.reading import read_examples
from datasets.models import Conversation, Dataset, DatasetProblem, TrainingExample
from datasets.problems import Problem, Report
from datasets.validation import check_size, method_of

BATCH_SIZE = 1_000
SHOWN_ERRORS = 100
MAX_ATTEMPTS = 5
# The default for an import without `maxExamples`.
MAX_IMPORTED = 50_000


class LeaseLost(Exception):
    """Another worker has read the file meanwhile; what this one stored was rolled back."""


def validate_dataset(dataset: Dataset) -> None:
    """Read the dataset's file, store its examples and problems, and say whether it can be trained on.

    Without effect when the reading is not due or another worker is at it.
    """
    now = timezone.now()
    if not dataset.claim(now=now, until=now + timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)):
        return
    if dataset.attempts > MAX_ATTEMPTS:
        _give_up(dataset)
        return
    with tempfile.TemporaryFile() as copy:
        conversation_ids = _fetch(dataset, copy)
        copy.seek(0)
        with transaction.atomic():
            _store(dataset, copy, conversation_ids)


def _give_up(dataset: Dataset) -> None:
    problem = Problem(
        code="not_read",
        message=f"Reading the file failed {MAX_ATTEMPTS} times. Tell the operator; the file is kept.",
    )
    _finish(dataset, Tally(plan=dataset.plan, report=_report_of(problem)))


def _report_of(problem: Problem) -> Report:
    report = Report()
    report.add(problem)
    return report


def _fetch(dataset: Dataset, copy: IO[bytes]) -> dict[int, UUID]:
    """Copy the file out of the storage; an import writes it first. Returns the conversation of each line.

    What was never read to its end is written anew: only examples know their conversations.
    """
    if dataset.change and (dataset.validated_at is None or not dataset.file):
        return write_derived(dataset, copy)
    if dataset.source == Dataset.Source.CONVERSATIONS and dataset.validated_at is None:
        return _write_import(dataset, copy)
    with dataset.file.open("rb") as stored:
        shutil.copyfileobj(stored, copy)
    known = dataset.examples.exclude(conversation=None).values_list("line", "conversation_id")
    return dict(known)


def _write_import(dataset: Dataset, copy: IO[bytes]) -> dict[int, UUID]:
    written: dict[int, UUID] = {}
    for line, conversation in enumerate(_conversations_of(dataset), start=1):
        row = json.dumps({"messages": conversation.messages}, ensure_ascii=False)
        copy.write(row.encode() + b"\n")
        written[line] = conversation.pk
    size = copy.tell()
    copy.seek(0)
    if hashlib.file_digest(copy, "sha256").hexdigest() != dataset.sha256:  # type: ignore[arg-type]
        copy.seek(0)
        dataset.file.delete(save=False)
        dataset.store_file(File(copy, name="conversations.jsonl"), size=size)
    return written


def _conversations_of(dataset: Dataset) -> Iterator[Conversation]:
    """The newest conversations that match the dataset's filters, the oldest of them first."""
    filters: dict[str, Any] = dataset.source_filters or {}
    start, end = filters.get("startDate"), filters.get("endDate")
    matching = dataset.organization.conversations.matching(
        agent_id=filters.get("agentId"),
        start_date=datetime.fromisoformat(start) if start else None,
        end_date=datetime.fromisoformat(end) if end else None,
        min_quality_score=filters.get("minQualityScore"),
    )
    if dataset.workspace_id:
        matching = matching.filter(workspace=dataset.workspace_id)
    newest = matching.filter(created_at__lte=dataset.created_at).order_by("-occurred_at", "-id")
    chosen = newest.values("pk")[: filters.get("maxExamples") or MAX_IMPORTED]
    found = dataset.organization.conversations.filter(pk__in=chosen).order_by("occurred_at", "id")
    yield from found.iterator(chunk_size=BATCH_SIZE)


def _store(dataset: Dataset, copy: IO[bytes], conversation_ids: dict[int, UUID]) -> None:
    """Replace the stored examples and problems by those of the file, all or nothing."""
    dataset.examples.all().delete()
    dataset.problems.all().delete()
    tally = Tally(plan=dataset.plan)
    batch: list[TrainingExample] = []
    for row, tokens in _accepted(read_examples(copy, tally.plan), tally):
        batch.append(_example(dataset, row, tokens, tally, conversation_ids.get(row.line)))
        if len(batch) == BATCH_SIZE:
            TrainingExample.objects.bulk_create(batch)
            batch.clear()
    TrainingExample.objects.bulk_create(batch)
    for problem in check_size(examples=tally.examples):
        tally.report.add(problem)
    _finish(dataset, tally)


def _accepted(readings: Iterable[Reading], tally: Tally) -> Iterator[tuple[Row, int]]:
    """Count everything that was read, keep its problems, and pass on the good rows with their tokens."""
    for reading in readings:
        tokens, problems = judge(reading, tally)
        for problem in problems:
            tally.report.add(problem)
        if isinstance(reading, Problem):
            continue
        tally.lines += 1
        if isinstance(reading, BlankRow):
            tally.blank += 1
        elif isinstance(reading, Row) and not any(problem.is_error for problem in problems):
            yield reading, tokens
        else:
            tally.rejected += 1


def _example(
    dataset: Dataset, row: Row, token_count: int, tally: Tally, conversation_id: UUID | None
) -> TrainingExample:
    assert isinstance(row.value, dict)
    position = tally.examples
    tally.examples += 1
    tally.tokens += token_count
    messages, attributes = split_row(row.value)
    return TrainingExample(
        dataset=dataset,
        position=position,
        line=row.line,
        messages=messages,
        attributes=attributes,
        token_count=token_count,
        conversation_id=conversation_id,
    )


def split_row(row: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The messages of a row and everything else; `training_files.row_of` puts them together again."""
    if method_of(row) == "dpo":
        prompt = {key: value for key, value in row["input"].items() if key != "messages"}
        return row["input"]["messages"], row | {"input": prompt}
    return row["messages"], {key: value for key, value in row.items() if key != "messages"}


def _finish(dataset: Dataset, tally: Tally) -> None:
    """Store the problems and the verdict. Raises LeaseLost."""
    report = tally.report
    DatasetProblem.objects.bulk_create(
        [DatasetProblem(dataset=dataset, **vars(problem)) for problem in report.kept], batch_size=BATCH_SIZE
    )
    recorded = dataset.mark_checked(
        status=Dataset.Status.INVALID if report.errors else Dataset.Status.VALID,
        now=timezone.now(),
        method=tally.method or "supervised",
        total_examples=tally.examples,
        total_tokens=tally.tokens,
        total_lines=tally.lines,
        rejected_lines=tally.rejected,
        blank_lines=tally.blank,
        problem_counts=dict(report.counts),
        validation_errors=[vars(problem) for problem in report.kept if problem.is_error][:SHOWN_ERRORS],
    )
    if not recorded:
        raise LeaseLost(dataset.pk)
