"""Large files are read in parts, at once by as many workers as there are.

`plan` cuts the file at line ends. Each `DatasetRange` is read by a task of its own, which replaces its own
examples and problems in one transaction, so that a range whose reader died is simply read again. The last
one makes the dataset due, and `close` puts together what the ranges came to.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from math import ceil

import numpy as np
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from datasets.closing import MAX_ATTEMPTS, LeaseLost, close_dataset, give_up, keep_problems
from datasets.formats import MAX_ROWS, BlankRow, Readable
from datasets.models import Dataset, DatasetRange
from datasets.problems import Problem
from datasets.storing import commit_soon, replace_examples
from datasets.tally import LinesLost, Tally, judged
from datasets.validation.plain import read_blocks

SPLIT_ABOVE_BYTES = 8 * 1024 * 1024
RANGE_BYTES = 6 * 1024 * 1024
# A range takes seconds, so a reader that has not come back after that is dead.
LEASE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Cut:
    first_byte: int
    end_byte: int
    first_line: int
    lines: int


def plan(dataset: Dataset) -> bool:
    """Split the reading of a claimed dataset into ranges that are due. False: it is to be read in one.

    Raises LeaseLost.
    """
    if not _is_large(dataset):
        return False
    with dataset.file.open("rb") as file:
        if not _is_lines(file):
            return False
        file.seek(0)
        cuts = list(cut_at_lines(file, _range_bytes(dataset.file_size_bytes)))
    with transaction.atomic():
        dataset.problems.all().delete()
        DatasetRange.objects.bulk_create(
            DatasetRange(dataset=dataset, number=number, next_check_at=timezone.now(), **vars(cut))
            for number, cut in enumerate(cuts)
        )
        if not dataset.wait_for_ranges(ranges=len(cuts)):
            raise LeaseLost(dataset.pk)
    return True


def _is_large(dataset: Dataset) -> bool:
    # The lines of an import, or of a version, belong to conversations, which only its one reader knows.
    knows_conversations = dataset.source == Dataset.Source.CONVERSATIONS or dataset.change
    is_large = dataset.file_size_bytes > SPLIT_ABOVE_BYTES
    return is_large and dataset.plan.is_plain and not knows_conversations


def _is_lines(file: Readable) -> bool:
    """Whether the file is read to its end, as its first row shows: in no other encoding, and no array."""
    for reading in chain.from_iterable(read_blocks(file)):
        if isinstance(reading, Problem):
            if reading.is_error:
                return False
        elif not isinstance(reading, BlankRow):
            break
    return True


def _range_bytes(file_bytes: int) -> int:
    """How many bytes to a range, so that all are about equal and no worker is left with more than others."""
    return ceil(file_bytes / ceil(file_bytes / RANGE_BYTES))


def cut_at_lines(file: Readable, size: int) -> Iterator[Cut]:
    """Ranges of about `size` bytes, each of whole lines; none begins behind the last row that is read."""
    start, first_line, read, lines = 0, 1, 0, 0
    while (block := file.read(size)) and first_line <= MAX_ROWS + 1:
        end = block.rfind(b"\n") + 1
        # Twice as fast as `bytes.count`.
        lines += int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")))
        if end:
            yield Cut(first_byte=start, end_byte=read + end, first_line=first_line, lines=lines)
            start, first_line, lines = read + end, first_line + lines, 0
        read += len(block)
    if start < read and first_line <= MAX_ROWS + 1:
        yield Cut(first_byte=start, end_byte=read, first_line=first_line, lines=1)


def read_range(part: DatasetRange) -> None:
    """Read one range. Without effect when it is not due or another worker is at it.

    Raises LeaseLost, LinesLost.
    """
    now = timezone.now()
    if not part.claim(now=now, until=now + LEASE):
        return
    dataset = Dataset.with_deleted.get(pk=part.dataset_id)
    if part.attempts > MAX_ATTEMPTS:
        give_up(dataset)
        return
    tally = Tally(plan=dataset.plan)
    rows = judged(read_blocks(_bytes_of(dataset, part), first_line=part.first_line), tally)
    with transaction.atomic():
        commit_soon()
        tally.stored = replace_examples(
            dataset, rows, first_position=part.first_position, positions=part.lines, conversation_ids={}
        )
        _check_lines(part, tally)
        dataset.problems.filter(line__gte=part.first_line, line__lt=part.first_line + part.lines).delete()
        keep_problems(dataset, tally)
        if not part.mark_read(result=tally.dump(), now=timezone.now()):
            raise LeaseLost(part.pk)


def _bytes_of(dataset: Dataset, part: DatasetRange) -> io.BytesIO:
    with dataset.file.storage.open(str(dataset.file), "rb") as stored:
        if hasattr(stored, "obj"):
            # On S3, where the storage would fetch the whole file.
            span = f"bytes={part.first_byte}-{part.end_byte - 1}"
            return io.BytesIO(stored.obj.get(Range=span)["Body"].read())
        stored.seek(part.first_byte)
        return io.BytesIO(stored.read(part.end_byte - part.first_byte))


def _check_lines(part: DatasetRange, tally: Tally) -> None:
    tally.check_lines()
    expected = min(part.lines, MAX_ROWS + 1 - part.first_line)
    if tally.lines != expected:
        raise LinesLost(f"{tally.lines} of {expected} lines of {part} were read")


def close(dataset: Dataset) -> None:
    """Put together what the ranges of a claimed dataset came to. Raises LeaseLost, LinesLost."""
    tally = Tally(plan=dataset.plan)
    with transaction.atomic():
        for part in dataset.ranges.order_by("number").iterator(chunk_size=1):
            _close_up(dataset, part, position=tally.examples)
            tally.merge(bytes(part.result or b""))
        close_dataset(dataset, tally)


def _close_up(dataset: Dataset, part: DatasetRange, *, position: int) -> None:
    """Move the examples of a range to where they belong when lines before it have become none."""
    if gap := part.first_position - position:
        here = range(part.first_position, part.first_position + part.lines)
        dataset.examples.filter(position__gte=here.start, position__lt=here.stop).update(
            position=F("position") - gap
        )
