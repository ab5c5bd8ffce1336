"""What can be done with training data."""

import unicodedata
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from datasets import formats, reading, tasks
from datasets.models import Dataset
from finetuning.errors import Conflict, Invalid, Unsupported
from finetuning.ids import uuid7
from finetuning.models import Organization, User, Workspace
from finetuning.queueing import queue_on_commit
from finetuning.uploads import scan_upload

READ_AT_ONCE_BYTES = 5 * 1024 * 1024
SNIFFED_BYTES = 64 * 1024
FILE_NAME_LENGTH = 150


class FileNotAccepted(Invalid):
    code = "file_not_accepted"


class FileNotSupported(Unsupported):
    code = "file_not_supported"


class DatasetInUse(Conflict):
    code = "dataset_in_use"


class NothingToImport(Invalid):
    code = "nothing_to_import"


def clean_file_name(name: str) -> str:
    """The last part of a path in either spelling, without control and direction characters, cut to 150."""
    base = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    stem, dot, suffix = shown.rpartition(".")
    return (
        f"{stem[: FILE_NAME_LENGTH - len(suffix) - 1]}{dot}{suffix}"
        if len(shown) > FILE_NAME_LENGTH
        else shown
    )


def upload_dataset(
    organization: Organization,
    *,
    by: User,
    file: "UploadedFile[bytes]",
    name: str,
    format: str = "",
    description: str = "",
    workspace: Workspace | None = None,
    source: str = Dataset.Source.UPLOAD,
) -> Dataset:
    """Store the file and have it read in a worker. `format` is empty to find it out from the file.

    Raises FileNotAccepted (empty, wrong name), FileNotSupported (an archive, a picture, a program) or
    FileInfected.
    """
    file_name = clean_file_name(file.name or "")
    head = file.read(SNIFFED_BYTES)
    file.seek(0)
    try:
        found_format = formats.sniff(head, file_name=file_name, declared=format or None)
    except formats.UnsupportedFile as refusal:
        kind = FileNotSupported if refusal.code in formats.NOT_TEXT_CODES else FileNotAccepted
        raise kind(str(refusal), pointer="/file") from refusal
    scan_upload(file)
    dataset = Dataset(
        id=uuid7(),
        organization=organization,
        workspace=workspace,
        created_by=by,
        name=name,
        description=description,
        file_name=file_name,
        format=found_format,
        source=source,
    )
    dataset.store_file(file, size=file.size or 0)
    return _accept(dataset)


@transaction.atomic(durable=True)
def _accept(dataset: Dataset) -> Dataset:
    dataset.save(force_insert=True)
    queue_on_commit(tasks.validate_dataset, dataset_id=str(dataset.pk))
    return dataset


def import_conversations(
    organization: Organization,
    *,
    by: User,
    name: str,
    description: str = "",
    workspace: Workspace | None = None,
    agent_id: str = "",
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    min_quality_score: float | None = None,
    max_examples: int | None = None,
) -> Dataset:
    """Make a dataset of the conversations that match; a worker collects and reads them.

    Dates include both ends; `min_quality_score` leaves out conversations without a score; of more than
    `max_examples` the newest are taken. Raises NothingToImport when none matches.
    """
    filters = {
        "agent_id": agent_id or None,
        "start_date": start_date,
        "end_date": end_date,
        "min_quality_score": min_quality_score,
    }
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
        source=Dataset.Source.CONVERSATIONS,
        source_filters=_as_posted(**filters, max_examples=max_examples),
    )
    return _accept(dataset)


def _as_posted(**filters: Any) -> dict[str, Any]:
    """The given filters under the API's names, dates as text: what the dataset shows as its source."""
    names = {
        "agent_id": "agentId",
        "start_date": "startDate",
        "end_date": "endDate",
        "min_quality_score": "minQualityScore",
        "max_examples": "maxExamples",
    }
    return {
        names[key]: value.isoformat() if isinstance(value, datetime) else value
        for key, value in filters.items()
        if value is not None
    }


def update_dataset(dataset: Dataset, **columns: Any) -> Dataset:
    """Change `name` or `description`."""
    dataset.rename(now=timezone.now(), **columns)
    return dataset


def delete_dataset(dataset: Dataset) -> None:
    """Hide the dataset; its file and examples stay for the jobs that used them. Raises DatasetInUse."""
    with transaction.atomic():
        # A job that is being made takes the same lock, so that neither misses the other.
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.jobs.active().exists():
            raise DatasetInUse("A job that has not ended uses this dataset. Cancel it, or wait for its end.")
        dataset.mark_deleted(now=timezone.now())


def check_dataset(dataset: Dataset) -> Dataset:
    """Read the stored file again: a small one now, a large one in a worker."""
    if dataset.file_size_bytes > READ_AT_ONCE_BYTES:
        return revalidate_dataset(dataset)
    dataset.ask_for_check(now=timezone.now())
    reading.validate_dataset(dataset)
    return dataset


def revalidate_dataset(dataset: Dataset) -> Dataset:
    """Have the stored file read again, in a worker."""
    with transaction.atomic():
        dataset.ask_for_check(now=timezone.now())
        queue_on_commit(tasks.validate_dataset, dataset_id=str(dataset.pk))
    return dataset
