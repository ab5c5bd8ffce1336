"""A dataset: the file, its verdict and its totals."""

import hashlib
from datetime import datetime
from typing import Any, Self

from django.core.files import File
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

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
    quality = models.JSONField(null=True, blank=True, help_text="What the examples are like.")
    validated_at = models.DateTimeField(null=True, blank=True)

    # How far the reader has come; of a large file, how many of its ranges are still to be read.
    read_bytes = models.BigIntegerField(default=0)
    ranges_left = models.IntegerField(default=0)
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
    def validated(self) -> bool:
        return self.status == self.Status.VALID

    @property
    def is_trainable(self) -> bool:
        return self.validated and self.deleted_at is None

    @property
    def is_processing(self) -> bool:
        return self.status == self.Status.PROCESSING

    @property
    def progress_percentage(self) -> int:
        """How much of the file has been read; 100 only with the verdict."""
        if not self.is_processing:
            return 100
        return min(99, 100 * self.read_bytes // max(1, self.file_size_bytes))

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

    def keep_claim(self, *, read_bytes: int) -> bool:
        """Show how far the reader has come. False: the lease went to another reader."""
        mine = Dataset.with_deleted.filter(pk=self.pk, next_check_at=self.next_check_at)
        return bool(mine.update(read_bytes=read_bytes))

    def wait_for_ranges(self, *, ranges: int, method: str) -> bool:
        """Leave the reading to so many ranges, the last of which makes it due. False: the lease was lost."""
        mine = Dataset.with_deleted.filter(pk=self.pk, next_check_at=self.next_check_at)
        return bool(
            mine.update(next_check_at=None, attempts=0, read_bytes=0, ranges_left=ranges, method=method)
        )

    def go_on_waiting(self) -> None:
        """Give the claim back: ranges are still to be read."""
        Dataset.with_deleted.filter(pk=self.pk, next_check_at=self.next_check_at).update(next_check_at=None)

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
                status=status,
                next_check_at=None,
                read_bytes=0,
                ranges_left=0,
                validated_at=now,
                updated_at=now,
                **columns,
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
