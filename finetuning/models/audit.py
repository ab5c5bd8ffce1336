"""Who changed what, when and from where. Rows are added and read, and nothing else: a trigger sees to it."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from finetuning.ids import lowest_uuid7, uuid7
from finetuning.models.organizations import Organization


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def newest_first(self) -> Self:
        """By the ids, which are in the order of time."""
        return self.order_by("-id")

    def between(self, start: datetime | None, end: datetime | None) -> Self:
        """Made at `start` or later, and before `end`; None: no bound."""
        found = self if start is None else self.filter(pk__gte=lowest_uuid7(start))
        return found if end is None else found.filter(pk__lt=lowest_uuid7(end))


class AuditEntry(models.Model):
    """One change. It outlives the row, the person and the organization that it names.

    See docs/decisions/0009-audit.md.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without constraints in the database: what is deleted changes nothing here.
    organization = models.ForeignKey(
        Organization,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="audit_entries",
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    actor_name = models.CharField(
        max_length=254, blank=True, help_text="The e-mail. Empty: the product itself."
    )
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=300, blank=True)
    changes = models.JSONField(default=dict, help_text="Changed fields: before and after.")
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        db_table = "audit_entries"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_entries_newest"),
            models.Index(fields=["organization", "actor", "-id"], name="audit_entries_of_actor"),
            models.Index(fields=["organization", "target_type", "-id"], name="audit_entries_by_type"),
            models.Index(fields=["target_id", "-id"], name="audit_entries_of_target"),
            models.Index(fields=["created_at"], name="audit_entries_by_time"),
        ]

    @property
    def words(self) -> str:
        """The action as one reads it: `member.role_changed` is "member: role changed"."""
        return self.action.replace(".", ": ").replace("_", " ")

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}"
