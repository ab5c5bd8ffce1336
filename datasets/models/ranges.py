"""Parts of a large file, each read by a task of its own."""

from datetime import datetime
from typing import Self

from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When

from datasets.models.datasets import Dataset


class DatasetRangeQuerySet(models.QuerySet["DatasetRange"]):
    def due(self, now: datetime) -> Self:
        """Ranges that wait to be read, or whose reader has died."""
        return self.filter(next_check_at__lte=now).order_by("next_check_at", "id")


class DatasetRange(models.Model):
    """Some lines of a dataset's file while it is being read: the bytes from `first_byte` up to `end_byte`.

    The rows are there from the plan to the verdict.
    """

    id = models.BigAutoField(primary_key=True)
    # The unique constraint has an index that begins with it.
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="ranges", db_index=False)
    number = models.IntegerField(help_text="Counts from 0 within the dataset.")
    first_byte = models.BigIntegerField()
    end_byte = models.BigIntegerField()
    first_line = models.IntegerField(help_text="Counts from 1.")
    lines = models.IntegerField(help_text="How many lines are to be read.")
    result = models.BinaryField(null=True, help_text="What was read, as a Tally dumps it.")
    # As on the dataset: outbox and lease in one; null when it was read.
    next_check_at = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(default=0)

    objects = DatasetRangeQuerySet.as_manager()

    class Meta:
        db_table = "dataset_ranges"
        indexes = [
            models.Index(
                fields=["next_check_at"], name="dataset_ranges_due", condition=Q(next_check_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_ranges_number"),
        ]

    def __str__(self) -> str:
        return f"range {self.number} of {self.dataset_id}"

    @property
    def first_position(self) -> int:
        """Where its examples are stored: as if each line before it were an example."""
        return self.first_line - 1

    def claim(self, *, now: datetime, until: datetime) -> bool:
        """Take the range for the time of a lease. False: it was read, or somebody has it."""
        claimed = DatasetRange.objects.filter(pk=self.pk, next_check_at__lte=now).update(
            next_check_at=until, attempts=F("attempts") + 1
        )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    def mark_read(self, *, result: bytes, now: datetime) -> bool:
        """Record what was read; the last range makes its dataset due, to be closed.

        False: the lease went to another reader, so this result is void.
        """
        with transaction.atomic():
            recorded = DatasetRange.objects.filter(pk=self.pk, next_check_at=self.next_check_at).update(
                next_check_at=None, result=result
            )
            if recorded:
                Dataset.with_deleted.filter(pk=self.dataset_id).update(
                    read_bytes=F("read_bytes") + self.end_byte - self.first_byte,
                    ranges_left=F("ranges_left") - 1,
                    next_check_at=Case(When(ranges_left=1, then=Value(now)), default=F("next_check_at")),
                )
        return bool(recorded)
