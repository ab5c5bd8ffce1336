"""What can be done with training data."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from datasets import importing, reading, tasks, uploads
from datasets.layouts import Columns
from datasets.models import Dataset
from finetuning import audit
from finetuning.errors import Conflict, Invalid, TooMany
from finetuning.ids import uuid7
from finetuning.limits import Allowance, hourly_allowance
from finetuning.models import Organization, User, Workspace
from finetuning.queueing import queue_on_commit
from finetuning.uploads import scan_upload

READ_AT_ONCE_BYTES = 5 * 1024 * 1024


class DatasetInUse(Conflict):
    code = "dataset_in_use"


class NothingToImport(Invalid):
    code = "nothing_to_import"


class TooManyUploads(TooMany):
    code = "too_many_uploads"


def upload_allowance(organization: Organization) -> Allowance:
    """How many datasets the organization may still upload or import within the hour; deleted ones count."""
    made = Dataset.with_deleted.filter(organization=organization, change__isnull=True)
    return hourly_allowance(made, limit=settings.UPLOADS_PER_HOUR, now=timezone.now())


def upload_dataset(organization: Organization, **upload: Any) -> Dataset:
    """Store a file and have it read in a worker. `upload` is what `stored_upload` takes; raises the same and
    TooManyUploads.
    """
    with stored_upload(organization, **upload) as (dataset, harmed_files):
        return accept_dataset(dataset, harmed_files=harmed_files)


@contextmanager
def stored_upload(
    organization: Organization,
    *,
    by: User,
    file: "UploadedFile[bytes]",
    more_files: "Sequence[UploadedFile[bytes]]" = (),
    name: str,
    format: str = "",
    layout: str = "",
    column_mapping: Columns | None = None,
    description: str = "",
    workspace: Workspace | None = None,
    source: str = Dataset.Source.UPLOAD,
) -> Iterator[tuple[Dataset, list[str]]]:
    """A dataset with its file in the storage and the harmed files of the same bytes, for `accept_dataset`;
    without that the file is removed at the end.

    `format`, `layout` and `column_mapping` are empty to find them out from the file. Raises what
    `uploads.taken_in` raises, FileInfected or TooManyUploads.
    """
    files = [file, *more_files]
    with uploads.taken_in(files, format=format, layout=layout, columns=column_mapping) as intake:
        for one in files:
            scan_upload(one)
        # Exact only when it is asked again under the lock, but this time before a file is stored for nothing.
        _check_allowance(organization)
        dataset = Dataset(
            id=uuid7(),
            organization=organization,
            workspace=workspace,
            created_by=by,
            name=name,
            description=description,
            file_name=intake.file_name,
            source=source,
            **uploads.columns_of(intake.plan),
        )
        harmed_files = dataset.store_file(intake.content, size=intake.size)
    stored = dataset.file.name
    try:
        yield dataset, harmed_files
    finally:
        # Asked anew: a commit whose answer got lost may have made the row all the same.
        same = Dataset.with_deleted.filter(organization=organization, sha256=dataset.sha256)
        if not same.filter(file=stored).exists():
            dataset.file.storage.delete(stored or "")


@transaction.atomic
def accept_dataset(dataset: Dataset, *, harmed_files: Collection[str] = ()) -> Dataset:
    """Make the row, due to be read, with none of `harmed_files` as its file. Raises TooManyUploads."""
    dataset.organization.lock()
    _check_allowance(dataset.organization)
    # Of two uploads of the same bytes at once the second finds the first one's row only here.
    dataset.share_file(harmed=harmed_files)
    dataset.save(force_insert=True)
    audit.record("dataset.created", dataset, before={})
    queue_on_commit(tasks.validate_dataset, dataset_id=str(dataset.pk))
    return dataset


def _check_allowance(organization: Organization) -> None:
    allowance = upload_allowance(organization)
    if not allowance.remaining:
        raise TooManyUploads(
            f"{allowance.limit} datasets an hour can be added. There is room again in "
            f"{ceil(allowance.reset_seconds / 60)} min.",
            retry_after=allowance.reset_seconds,
        )


def import_conversations(
    organization: Organization,
    *,
    by: User,
    name: str,
    description: str = "",
    workspace: Workspace | None = None,
    max_examples: int | None = None,
    deduplicate: bool = False,
    **filters: Any,
) -> Dataset:
    """Make a dataset of the conversations that match; a worker collects and reads them.

    `filters` are those of `organization.conversations.matching`. Of more than `max_examples` the newest are
    taken; with `deduplicate` the same messages once. Raises NothingToImport (none matches), TooManyUploads.
    """
    limits = {"maxExamples": max_examples, "deduplicate": deduplicate}
    matching = organization.conversations.matching(**filters)
    if workspace is not None:
        matching = matching.filter(workspace=workspace)
    if not matching.exists():
        raise NothingToImport(
            "No recorded conversation matches these filters. Widen them, or record some first."
        )
    dataset = Dataset(
        organization=organization,
        workspace=workspace,
        created_by=by,
        name=name,
        description=description,
        format=Dataset.Format.JSONL,
        layout="chat",
        source=Dataset.Source.CONVERSATIONS,
        source_filters=importing.as_posted(filters)
        | {name: value for name, value in limits.items() if value},
    )
    return accept_dataset(dataset)


def update_dataset(dataset: Dataset, **columns: Any) -> Dataset:
    """Change `name` or `description`."""
    with audit.changing(dataset, "dataset.changed"):
        dataset.rename(now=timezone.now(), **columns)
    return dataset


def delete_dataset(dataset: Dataset) -> None:
    """Hide this version; its file and examples stay for the jobs that used them. Raises DatasetInUse."""
    with transaction.atomic():
        dataset.organization.lock()
        # A job that is being made takes the same lock, so that neither misses the other.
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.jobs.active().exists():
            raise DatasetInUse("A job that has not ended uses this dataset. Cancel it, or wait for its end.")
        with audit.changing(dataset, "dataset.deleted"):
            dataset.mark_deleted(now=timezone.now())


def restore_dataset(dataset: Dataset) -> None:
    """Show a version again that was deleted."""
    with transaction.atomic():
        dataset.organization.lock()
        with audit.changing(dataset, "dataset.restored"):
            dataset.restore(now=timezone.now())


def check_dataset(dataset: Dataset) -> Dataset:
    """Read the stored file again: a small text now, anything else in a worker."""
    is_small_text = dataset.format != Dataset.Format.PARQUET and dataset.file_size_bytes <= READ_AT_ONCE_BYTES
    if dataset.is_unwritten or not is_small_text:
        return revalidate_dataset(dataset)
    dataset.ask_for_check(now=timezone.now())
    reading.validate_dataset(dataset)
    return dataset


def revalidate_dataset(dataset: Dataset) -> Dataset:
    """Have the stored file read again, in a worker. Without effect while it is still being made."""
    if dataset.is_unwritten and dataset.is_being_read:
        return dataset
    with transaction.atomic():
        dataset.ask_for_check(now=timezone.now())
        queue_on_commit(tasks.validate_dataset, dataset_id=str(dataset.pk))
    return dataset
