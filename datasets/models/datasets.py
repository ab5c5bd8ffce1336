"""A dataset: the file, its verdict and its totals."""

import hashlib
from datetime import datetime
from typing import Any, Self, cast

from django.core.files import File
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from datasets.formats import Format
from datasets.layouts import LAYOUTS, Part, Plan, known_layout
from finetuning.ids import uuid7
from finetuning.models import Organization, OrganizationOwned, Workspace
from finetuning.webhooks.events import announce

ALIVE = Q(deleted_at__isnull=True)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def trainable(self) -> Self:
        return self.filter(status=Dataset.Status.VALID)

    def due(self, now: datetime) -> Self:
        """Datasets whose file waits to be read, or whose reader has died."""
        return self.filter(next_check_at__lte=now).order_by("next_check_at", "id")


class DatasetManager(models.Manager.from_queryset(DatasetQuerySet)):  # type: ignore[misc]
    """Deleted datasets are reached by nobody through `organization.datasets`."""

    def get_queryset(self) -> DatasetQuerySet:
        alive: DatasetQuerySet = super().get_queryset().filter(deleted_at=None)
        return alive

    def totals(self, *, workspace: Workspace | None = None) -> dict[str, Any]:
        """Numbers of `organization.datasets`, or of those in one workspace."""
        sums = self.instance.stat_changes.sums("datasets", workspace=workspace)
        by_status = sums["status"]
        return {
            "total_datasets": by_status.total(),
            "validated_datasets": by_status[Dataset.Status.VALID],
            "invalid_datasets": by_status[Dataset.Status.INVALID],
            "total_examples": sums["examples"][""],
            "total_tokens": sums["tokens"][""],
            "total_size_bytes": sums["size_bytes"][""],
            "by_format": dict(sums["format"]),
            "by_source": dict(sums["source"]),
        }


def storage_path(dataset: "Dataset", file_name: str) -> str:
    """Nothing of the user's file name reaches the storage."""
    return f"uploads/fine-tuning/{dataset.organization_id}/{dataset.pk}/{uuid7()}.{dataset.format}"


def placed(plan: Plan, line: int | None) -> dict[str, Any]:
    """The file, empty where there is only one, and the line in it, under the API's names."""
    file, file_line = plan.place(line) if line is not None else ("", None)
    return {"file": file, "fileLine": file_line}


class Dataset(OrganizationOwned):
    """A set of training examples, made from one uploaded file or from conversations."""

    class Status(models.TextChoices):
        PROCESSING = "processing"
        VALID = "valid"
        INVALID = "invalid"

    class Format(models.TextChoices):
        JSONL = "jsonl"
        CSV = "csv"
        JSON = "json"
        PARQUET = "parquet"

    class Source(models.TextChoices):
        UPLOAD = "upload"
        CONVERSATIONS = "conversations"
        API = "api"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)

    file = models.FileField(upload_to=storage_path, max_length=300, blank=True)
    file_name = models.CharField(max_length=150, blank=True)
    file_size_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    format = models.CharField(max_length=10, choices=Format.choices)
    layout = models.CharField(
        max_length=20, blank=True, choices=LAYOUTS.items(), help_text="Empty: found out while it is read."
    )
    column_mapping = models.JSONField(default=dict, blank=True, help_text="What each column is.")
    # More than one file: they stand one behind the other in `file`, and lines are counted through all.
    parts = models.JSONField(default=list, blank=True, help_text="Name, size and first line of each file.")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.UPLOAD)
    source_filters = models.JSONField(null=True, blank=True)

    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PROCESSING)
    method = models.CharField(max_length=20, default="supervised", help_text="What it can be used to train.")
    total_examples = models.IntegerField(default=0)
    total_tokens = models.BigIntegerField(default=0)
    total_lines = models.IntegerField(default=0)
    rejected_lines = models.IntegerField(default=0)
    blank_lines = models.IntegerField(default=0)
    problem_counts = models.JSONField(default=dict, help_text="How often each problem occurs, by code.")
    # The first errors stand on the row, so that a list need not join the problems.
    validation_errors = models.JSONField(default=list)
    validated_at = models.DateTimeField(null=True, blank=True)

    # Outbox and lease of the reader in one: due when it is in the past, nothing to do when it is null.
    next_check_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    attempts = models.IntegerField(default=0)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = DatasetManager()
    with_deleted = DatasetQuerySet.as_manager()

    class Meta:
        db_table = "fine_tuning_datasets"
        indexes = [
            models.Index(
                fields=["organization", "-created_at", "-id"], name="datasets_newest", condition=ALIVE
            ),
            models.Index(
                fields=["organization", "status", "-created_at", "-id"],
                name="datasets_by_status",
                condition=ALIVE,
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="datasets_of_workspace", condition=ALIVE
            ),
            models.Index(
                fields=["organization", "-validated_at", "-id"],
                name="datasets_latest_checked",
                condition=ALIVE & Q(validated_at__isnull=False),
            ),
            models.Index(
                fields=["next_check_at"], name="datasets_due", condition=Q(next_check_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="datasets_organization_and_id"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def plan(self) -> Plan:
        """How the file is read."""
        return Plan(
            format=cast("Format", self.format),
            layout=known_layout(self.layout),
            columns=self.column_mapping,
            parts=tuple(Part(**part) for part in self.parts),
        )

    @property
    def files(self) -> list[dict[str, Any]]:
        """Name, size and first line of each file that was uploaded."""
        single = {"name": self.file_name, "size": self.file_size_bytes, "first_line": 1}
        return self.parts or ([single] if self.file_name else [])

    @property
    def placed_errors(self) -> list[dict[str, Any]]:
        """The first errors, each with its file and the line there as well."""
        return [error | placed(self.plan, error["line"]) for error in self.validation_errors]

    @property
    def validated(self) -> bool:
        return self.status == self.Status.VALID

    @property
    def is_trainable(self) -> bool:
        return self.validated and self.deleted_at is None

    @property
    def is_processing(self) -> bool:
        return self.status == self.Status.PROCESSING

    def billable_tokens(self, max_example_tokens: int) -> int:
        """Tokens of one epoch: what is longer than the model's limit is cut off, not billed."""
        return self.total_tokens - self.examples.tokens_over(max_example_tokens)

    def store_file(self, content: File, *, size: int) -> None:  # type: ignore[type-arg]
        """Put the bytes into the storage, with their size and SHA-256 on the row if it exists already."""
        digest = hashlib.sha256()
        for chunk in content.chunks():
            digest.update(chunk)
        content.seek(0)
        self.sha256 = digest.hexdigest()
        self.file_size_bytes = size
        self.file_name = self.file_name or content.name or ""
        self.file.save(self.file_name, content, save=False)
        Dataset.with_deleted.filter(pk=self.pk).update(
            file=self.file.name, file_name=self.file_name, file_size_bytes=size, sha256=self.sha256
        )

    def claim(self, *, now: datetime, until: datetime) -> bool:
        """Take the due check for the time of a lease. False: it is not due, or somebody has it."""
        claimed = Dataset.with_deleted.filter(pk=self.pk, next_check_at__lte=now).update(
            next_check_at=until, attempts=F("attempts") + 1
        )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    def ask_for_check(self, *, now: datetime) -> None:
        """Make the file due to be read (again)."""
        Dataset.objects.filter(pk=self.pk).update(
            status=self.Status.PROCESSING, next_check_at=now, attempts=0, updated_at=now
        )
        self.refresh_from_db()

    def mark_checked(self, *, status: "Dataset.Status", now: datetime, **columns: Any) -> bool:
        """Record a finished check. False: the lease went to another reader, so this result is void."""
        with transaction.atomic():
            recorded = Dataset.with_deleted.filter(pk=self.pk, next_check_at=self.next_check_at).update(
                status=status, next_check_at=None, validated_at=now, updated_at=now, **columns
            )
            if recorded:
                self.refresh_from_db()
                announce(self.organization, "dataset.validated", self.as_event())
        return bool(recorded)

    def as_event(self) -> dict[str, Any]:
        """What webhooks tell of a dataset, in the API's names."""
        return {
            "id": str(self.pk),
            "name": self.name,
            "status": self.status,
            "validated": self.validated,
            "totalExamples": self.total_examples,
            "totalTokens": self.total_tokens,
        }

    def rename(self, *, now: datetime, **columns: Any) -> None:
        """Change `name` or `description`, the only columns that belong to the user."""
        Dataset.objects.filter(pk=self.pk).update(updated_at=now, **columns)
        self.refresh_from_db()

    def mark_deleted(self, *, now: datetime) -> None:
        Dataset.objects.filter(pk=self.pk).update(deleted_at=now, next_check_at=None, updated_at=now)
