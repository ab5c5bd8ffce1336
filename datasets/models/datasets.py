"""A dataset: the file, its verdict and its totals."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from itertools import takewhile
from typing import Any, ClassVar, Self, cast

from django.core.files import File
from django.db import models, transaction
from django.db.models import Case, F, Max, Q, Value, When
from django.utils import timezone

from datasets.formats import Format
from datasets.layouts import LAYOUTS, METHODS, Part, Plan, known_layout
from datasets.problem_codes import FILE
from datasets.validation.repairs import REPAIRABLE
from finetuning.ids import uuid7
from finetuning.models import Organization, OrganizationOwned, Workspace
from finetuning.webhooks.events import announce

ALIVE = Q(deleted_at__isnull=True)
LISTED = ALIVE & Q(superseded_at__isnull=True)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def trainable(self) -> Self:
        return self.filter(status=Dataset.Status.VALID)

    def newest(self) -> Self:
        """Of each dataset the newest version, which is what lists show."""
        return self.filter(superseded_at=None)

    def versions_of(self, dataset: "Dataset") -> Self:
        series = self.filter(organization=dataset.organization_id, series_id=dataset.series_id)
        return series.order_by("-version")

    def merged_from(self, dataset: "Dataset") -> Self:
        """Datasets that were put together from this one and others."""
        return self.filter(change__contains={"sources": [str(dataset.pk)]})

    def settle(self, dataset: "Dataset", *, now: datetime) -> None:
        """Make the highest version that is not deleted the newest. The organization is locked before."""
        alive = self.versions_of(dataset).filter(deleted_at=None)
        newest = alive.order_by("-version").values("pk")[:1]
        alive.filter(superseded_at=None).exclude(pk__in=newest).update(superseded_at=now)
        alive.filter(pk__in=newest).exclude(superseded_at=None).update(superseded_at=None)

    def due(self, now: datetime) -> Self:
        """Datasets whose file waits to be read, or whose reader has died."""
        return self.filter(next_check_at__lte=now).order_by("next_check_at", "id")


class DatasetManager(models.Manager.from_queryset(DatasetQuerySet)):  # type: ignore[misc]
    """Deleted datasets are reached by nobody through `organization.datasets`."""

    def get_queryset(self) -> DatasetQuerySet:
        alive: DatasetQuerySet = super().get_queryset().filter(deleted_at=None)
        return alive

    def totals(self, *, workspace: Workspace | None = None) -> dict[str, Any]:
        """Numbers of `organization.datasets.newest()`, or of those in one workspace."""
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
    """By what the file holds. Nothing of the user's file name reaches the storage.

    Each time another path: a file that is stored for nothing can then be removed without a look at who else
    is just storing the same bytes.
    """
    return f"uploads/fine-tuning/{dataset.organization_id}/{dataset.sha256}/{uuid7()}"


class SeriesField(models.UUIDField):  # type: ignore[type-arg]
    """The id of the row itself unless another one is given."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        if getattr(model_instance, self.attname) is None:
            setattr(model_instance, self.attname, model_instance.pk)
        return super().pre_save(model_instance, add)


def placed(plan: Plan, line: int | None) -> dict[str, Any]:
    """The file, empty where there is only one, and the line in it, under the API's names."""
    file, file_line = plan.place(line) if line is not None else ("", None)
    return {"file": file, "fileLine": file_line}


class Dataset(OrganizationOwned):
    """A set of training examples: one version of a dataset. Its content never changes.

    What changes it makes another row, whose `parent` is this one; docs/decisions/0008-versions.md.
    """

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

    series_id = SeriesField(editable=False, help_text="The id of the first version.")
    version = models.PositiveIntegerField(default=1)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    change = models.JSONField(
        null=True, blank=True, help_text="What made it of its parent: kind, parameters."
    )
    superseded_at = models.DateTimeField(null=True, blank=True, help_text="Null: the newest version.")

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

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "workspace_id",
        "file_name",
        "sha256",
        "format",
        "layout",
        "source",
        "version",
        "parent_id",
        "deleted_at",
    )

    class Meta:
        db_table = "fine_tuning_datasets"
        indexes = [
            models.Index(
                fields=["organization", "-created_at", "-id"], name="datasets_newest", condition=ALIVE
            ),
            models.Index(
                fields=["organization", "status", "-created_at", "-id"],
                name="datasets_by_status",
                condition=LISTED,
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="datasets_of_workspace", condition=LISTED
            ),
            models.Index(
                fields=["organization", "-validated_at", "-id"],
                name="datasets_latest_checked",
                condition=ALIVE & Q(validated_at__isnull=False),
            ),
            models.Index(
                fields=["organization", "sha256"], name="datasets_by_content", condition=~Q(sha256="")
            ),
            models.Index(
                fields=["next_check_at"], name="datasets_due", condition=Q(next_check_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="datasets_organization_and_id"),
            models.UniqueConstraint(
                fields=["organization", "series_id", "version"], name="datasets_version_once"
            ),
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
    def has_vendor_rows(self) -> bool:
        """Whether the file is one, and each of its rows as it is trained."""
        return not self.parts and self.layout in METHODS

    @property
    def files(self) -> list[dict[str, Any]]:
        """Name, size and first line of each file that was uploaded."""
        single = {"name": self.file_name, "size": self.file_size_bytes, "first_line": 1}
        return self.parts or ([single] if self.file_name else [])

    @property
    def placed_errors(self) -> list[dict[str, Any]]:
        """The first errors, each with its file and the line there as well."""
        plan = self.plan
        return [error | placed(plan, error["line"]) for error in self.validation_errors]

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
    def is_being_read(self) -> bool:
        """Whether a reader has it, or will come. None comes for one that was deleted before."""
        return self.is_processing and (self.next_check_at is not None or self.ranges_left > 0)

    @property
    def is_unwritten(self) -> bool:
        """Whether a worker makes the file before it reads it: of versions and imports, until they were read.

        Only examples know their conversations, so a file alone is not enough.
        """
        is_made = bool(self.change) or self.source == self.Source.CONVERSATIONS
        return is_made and (self.validated_at is None or not self.file)

    @property
    def repairable_problems(self) -> int:
        """How many problems are of a kind that has a mechanical repair; none once all of them were tried."""
        if (self.change or {}).get("kind") == "repairs":
            return 0
        return sum(count for code, count in self.problem_counts.items() if code in REPAIRABLE)

    @property
    def line_problem_counts(self) -> dict[str, int]:
        """How often each problem of single lines occurs, by code in their order."""
        return {code: count for code, count in sorted(self.problem_counts.items()) if code not in FILE}

    @property
    def private_findings(self) -> int:
        """How often something private was found in the examples."""
        return sum(self.problem_counts.get(code, 0) for code in ("personal_data", "secret"))

    @property
    def progress_percentage(self) -> int:
        """How much of the file has been read; 100 only with the verdict."""
        if not self.is_processing:
            return 100
        return min(99, 100 * self.read_bytes // max(1, self.file_size_bytes))

    def billable_tokens(self, max_example_tokens: int) -> int:
        """Tokens of one epoch: what is longer than the model's limit is cut off, not billed."""
        return self.total_tokens - self.examples.tokens_over(max_example_tokens)

    def store_file(self, content: File, *, size: int) -> list[str]:  # type: ignore[type-arg]
        """Put the bytes into the storage, with their size and SHA-256 on the row if it is there and claimed.

        What the organization has stored already, and is still the same, is not stored again. Returns the
        files that were found harmed, for `share_file`, which may not ask the storage in a transaction.
        """
        digest = hashlib.sha256()
        for chunk in content.chunks():
            digest.update(chunk)
        content.seek(0)
        self.sha256 = digest.hexdigest()
        self.file_size_bytes = size
        self.file_name = self.file_name or content.name or ""
        harmed = list(takewhile(self._is_harmed, self._files_of_same_bytes()))
        if not self.share_file(harmed=harmed):
            self.file.save(self.file_name, content, save=False)
        self._claimed().update(
            file=self.file.name, file_name=self.file_name, file_size_bytes=size, sha256=self.sha256
        )
        return harmed

    def share_file(self, *, harmed: Collection[str]) -> bool:
        """Take the first file of a row with the same bytes that is not `harmed`.

        False: there is none. No file of a row goes away.
        """
        stored = self._files_of_same_bytes().exclude(file__in=harmed).first()
        self.file.name = stored or self.file.name
        return stored is not None

    def _files_of_same_bytes(self) -> "models.QuerySet[Dataset, str]":
        same = Dataset.with_deleted.filter(organization=self.organization_id, sha256=self.sha256)
        return same.exclude(file="").order_by("file").values_list("file", flat=True).distinct()

    def _is_harmed(self, name: str) -> bool:
        """Whether the storage has other bytes than those of `sha256` under that name, or none."""
        try:
            with self.file.storage.open(name) as stored:
                return hashlib.file_digest(stored, "sha256").hexdigest() != self.sha256
        except FileNotFoundError:
            return True

    def record_counts(self, counts: dict[str, int]) -> None:
        """Add to `change` how many lines were kept, changed, removed, and so on."""
        self.change = {**(self.change or {}), "counts": counts}
        Dataset.with_deleted.filter(pk=self.pk).update(change=self.change)

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
        return bool(self._claimed().update(read_bytes=read_bytes))

    def wait_for_ranges(self, *, ranges: int) -> bool:
        """Leave the reading to so many ranges, the last of which makes it due. False: the lease was lost."""
        return bool(self._claimed().update(next_check_at=None, attempts=0, read_bytes=0, ranges_left=ranges))

    def go_on_waiting(self) -> None:
        """Give the claim back: ranges are still to be read."""
        self._claimed().update(next_check_at=None)

    def postpone(self, *, now: datetime) -> None:
        """Give the claim back, to be taken again; this attempt does not count."""
        self._claimed().update(next_check_at=now, attempts=F("attempts") - 1)

    def _claimed(self) -> DatasetQuerySet:
        """The row, unless another reader has taken it since."""
        return Dataset.with_deleted.filter(pk=self.pk, next_check_at=self.next_check_at)

    def ask_for_check(self, *, now: datetime) -> None:
        """Make the file due to be read (again)."""
        Dataset.objects.filter(pk=self.pk).update(
            status=self.Status.PROCESSING, next_check_at=now, attempts=0, updated_at=now
        )
        self.refresh_from_db()

    def mark_checked(self, *, status: "Dataset.Status", now: datetime, **columns: Any) -> bool:
        """Record a finished check. False: the lease went to another reader, so this result is void."""
        columns = {"validated_at": now, **columns}
        with transaction.atomic():
            recorded = self._claimed().update(
                status=status, next_check_at=None, read_bytes=0, ranges_left=0, updated_at=now, **columns
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
        """Hide this version; of those that are left the highest is the newest."""
        Dataset.objects.filter(pk=self.pk).update(deleted_at=now, next_check_at=None, updated_at=now)
        Dataset.with_deleted.settle(self, now=now)

    def restore(self, *, now: datetime) -> None:
        """Undo `mark_deleted`, also that nobody reads it any more. The organization is locked before."""
        unread = When(status=self.Status.PROCESSING, ranges_left=0, then=Value(now))
        Dataset.with_deleted.filter(pk=self.pk, deleted_at__isnull=False).update(
            deleted_at=None, updated_at=now, next_check_at=Case(unread, default=F("next_check_at"))
        )
        Dataset.with_deleted.settle(self, now=now)

    def supersede(self, *, now: datetime) -> int:
        """Hide the newest version from lists; returns the next number. The organization is locked before."""
        series = Dataset.with_deleted.versions_of(self)
        series.filter(superseded_at=None).update(superseded_at=now)
        highest: int = series.order_by().aggregate(highest=Max("version"))["highest"]
        return highest + 1
