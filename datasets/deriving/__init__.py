"""Writing the file of a version that was made from others: `Dataset.change` says how.

A worker does it before it reads the file. What is written depends on rows and files that change only while
they are read again, which is waited for, so it can be done again after a kill.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import IO
from uuid import UUID

from django.core.files import File
from django.db import transaction

from datasets.closing import LeaseLost
from datasets.deriving.kinds import KINDS
from datasets.deriving.lines import Line, Unreadable, lines_of, local_file
from datasets.deriving.output import Output, numbered
from datasets.models import Dataset, DatasetChange

CHANGES_AT_ONCE = 1_000


class SourceBeingRead(Exception):
    """The examples of a source are being replaced by those of another reading of its file."""


def write_derived(dataset: Dataset, copy: IO[bytes]) -> dict[int, UUID]:
    """Write the file into `copy` and into the storage, and how it differs from its parent into the database.

    Returns the conversation of each line that came from one. Raises SourceBeingRead, FileChanged, LinesLost,
    LeaseLost.
    """
    output, unreadable = Output(copy), Unreadable()
    with _sources_at_rest(dataset) as sources, ExitStack() as stack:
        files = [(source, stack.enter_context(local_file(source))) for source in sources]

        def lines() -> Iterator[Line]:
            unreadable.rows = 0
            for source, file in files:
                file.seek(0)
                yield from lines_of(source, file, unreadable)

        KINDS[(dataset.change or {})["kind"]](dataset, lines, output)
    if unreadable.rows:
        output.counts["unreadable"] = unreadable.rows
    _store(dataset, copy, output)
    return output.conversation_ids


@contextmanager
def _sources_at_rest(dataset: Dataset) -> Iterator[list[Dataset]]:
    """The versions that the dataset is made of. Raises SourceBeingRead, at the end for what came between."""
    sources = sources_of(dataset)
    read_at = _read_at(sources)
    try:
        yield sources
    finally:
        if _read_at(sources_of(dataset)) != read_at:
            raise SourceBeingRead(dataset.pk)


def _read_at(sources: list[Dataset]) -> list[datetime | None]:
    """When the examples of each were read. Raises SourceBeingRead while they are not whole."""
    for source in sources:
        if source.is_being_read:
            raise SourceBeingRead(source.pk)
    return [source.validated_at for source in sources]


def sources_of(dataset: Dataset) -> list[Dataset]:
    """The versions from which the dataset is made, in their order; deleted ones too."""
    ids = (dataset.change or {}).get("sources") or [str(dataset.parent_id)]
    found = Dataset.with_deleted.filter(organization=dataset.organization_id, pk__in=ids)
    return sorted(found, key=lambda source: ids.index(str(source.pk)))


def _store(dataset: Dataset, copy: IO[bytes], output: Output) -> None:
    with transaction.atomic():
        if not dataset.keep_claim(read_bytes=0):
            raise LeaseLost(dataset.pk)
        dataset.changes.all().delete()
        changes = numbered(output.changes, dataset.pk)
        DatasetChange.objects.bulk_create(changes, batch_size=CHANGES_AT_ONCE)
        dataset.record_counts({name: count for name, count in output.counts.items() if count})
    size = copy.tell()
    copy.seek(0)
    # Last, so that a row that has its file has all of it.
    dataset.store_file(File(copy, name=dataset.file_name), size=size)
