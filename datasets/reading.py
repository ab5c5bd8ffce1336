"""Reading a dataset's file: every line becomes an example or a problem, and the counts say so."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import IO
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils import timezone

from datasets import ranges
from datasets.closing import MAX_ATTEMPTS, LeaseLost, close_dataset, give_up, keep_problems
from datasets.deriving import SourceBeingRead, write_derived
from datasets.formats import Reading
from datasets.importing import conversations_of
from datasets.layouts import Plan
from datasets.layouts.reading import completed, read_examples
from datasets.models import Dataset
from datasets.storing import commit_soon, replace_examples
from datasets.tally import Accepted, Tally, judged
from datasets.validation.plain import PlainRow, read_blocks

CHUNK_BYTES = 8 * 1024 * 1024


def validate_dataset(dataset: Dataset) -> None:
    """Read the dataset's file, store its examples and problems, and say whether it can be trained on.

    A large file is left to its ranges, of which the last one makes it due again. Without effect when the
    reading is not due or another worker is at it. Raises LeaseLost, LinesLost.
    """
    now = timezone.now()
    if not dataset.claim(now=now, until=now + timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)):
        return
    if dataset.ranges_left:
        dataset.go_on_waiting()
    elif dataset.attempts > MAX_ATTEMPTS:
        give_up(dataset)
    elif dataset.ranges.exists():
        ranges.close(dataset)
    elif not ranges.plan(dataset):
        _read(dataset)


def _read(dataset: Dataset) -> None:
    with tempfile.TemporaryFile() as copy:
        try:
            conversation_ids = _fetch(dataset, copy)
        except SourceBeingRead:
            # The next sweep rings again.
            dataset.postpone(now=timezone.now())
            return
        copy.seek(0)
        close_dataset(dataset, _read_in_order(dataset, copy, conversation_ids))


def _fetch(dataset: Dataset, copy: IO[bytes]) -> dict[int, UUID]:
    """Copy the file out of the storage, or make it. Returns the conversation of each line."""
    if dataset.is_unwritten:
        return write_derived(dataset, copy) if dataset.change else _write_import(dataset, copy)
    with dataset.file.open("rb") as stored:
        shutil.copyfileobj(stored, copy)
    known = dataset.examples.exclude(conversation=None).values_list("line", "conversation_id")
    return dict(known)


def _write_import(dataset: Dataset, copy: IO[bytes]) -> dict[int, UUID]:
    written: dict[int, UUID] = {}
    for line, conversation in enumerate(conversations_of(dataset), start=1):
        row = json.dumps({"messages": conversation.training_messages}, ensure_ascii=False)
        copy.write(row.encode() + b"\n")
        written[line] = conversation.pk
    size = copy.tell()
    copy.seek(0)
    dataset.store_file(File(copy, name="conversations.jsonl"), size=size)
    return written


def _read_in_order(dataset: Dataset, copy: IO[bytes], conversation_ids: dict[int, UUID]) -> Tally:
    """Replace what is stored by what the file holds, some megabytes at a time."""
    tally, position = Tally(plan=completed(dataset.plan, copy)), 0
    rows = judged(_blocks_of(copy, tally.plan), tally)
    with transaction.atomic():
        dataset.problems.all().delete()
        if not dataset.keep_claim(read_bytes=0):
            raise LeaseLost(dataset.pk)
    while chunk := _chunk(rows):
        with transaction.atomic():
            commit_soon()
            tally.stored += replace_examples(
                dataset,
                chunk,
                first_position=position,
                positions=len(chunk),
                conversation_ids=conversation_ids,
            )
            keep_problems(dataset, tally)
            if not dataset.keep_claim(read_bytes=copy.tell()):
                raise LeaseLost(dataset.pk)
        position += len(chunk)
    return tally


def _blocks_of(copy: IO[bytes], plan: Plan) -> Iterator[list[Reading | PlainRow]]:
    if plan.is_plain:
        return read_blocks(copy)
    return ([reading] for reading in read_examples(copy, plan))


def _chunk(rows: Iterator[Accepted]) -> list[Accepted]:
    """The next rows that together have so many bytes, all that are left, or none."""
    chunk, size = [], 0
    for row in rows:
        chunk.append(row)
        size += row.size
        if size >= CHUNK_BYTES:
            break
    return chunk
