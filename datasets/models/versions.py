"""How a version differs from its parent, and the edits that the next version is made of."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.models.datasets import Dataset


class DatasetEditQuerySet(models.QuerySet["DatasetEdit"]):
    def drafts(self) -> Self:
        """Edits that no version was made of yet, in the order in which they were made."""
        return self.filter(applied=False).order_by("id")

    def apply_to(self, version: Dataset) -> None:
        """Hand the edits over to the version that is made of them."""
        self.update(dataset=version, applied=True)


class DatasetEdit(models.Model):
    """An example to add, to change or to delete.

    A draft belongs to the version whose examples it is about. Once applied it belongs to the version that
    was made of it, and `position` still counts in that version's parent.
    """

    class Kind(models.TextChoices):
        ADD = "add"
        CHANGE = "change"
        DELETE = "delete"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="edits")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    position = models.IntegerField(null=True, blank=True, help_text="Of the example; null for a new one.")
    row = models.TextField(blank=True, help_text="The example as one line of JSON; empty for one to delete.")
    applied = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetEditQuerySet.as_manager()

    class Meta:
        db_table = "dataset_edits"
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "position"], name="dataset_edits_once", condition=Q(applied=False)
            ),
            models.CheckConstraint(
                condition=Q(kind="add", position__isnull=True) | (~Q(kind="add") & Q(position__isnull=False)),
                name="dataset_edits_position",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {'' if self.position is None else self.position}".strip()


class DatasetChange(models.Model):
    """One line that a version has otherwise than its parent.

    `details` lists the first differences as `{pointer, before, after}`, each text cut to what is worth
    looking at, and private data masked.
    """

    class Kind(models.TextChoices):
        CHANGED = "changed"
        REMOVED = "removed"
        ADDED = "added"

    id = models.BigAutoField(primary_key=True)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="changes")
    number = models.IntegerField(help_text="Counts from 1 within the version, in file order.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    parent_line = models.IntegerField(null=True, help_text="Null: the line is new.")
    line = models.IntegerField(null=True, help_text="Null: the line is gone.")
    details = models.JSONField(default=list)

    class Meta:
        db_table = "dataset_changes"
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_changes_number"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} line {self.line or self.parent_line}"
