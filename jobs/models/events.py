"""What happened to jobs, line by line."""

from typing import Self

from django.db import models
from django.utils import timezone

from finetuning.ids import uuid7
from jobs.models.jobs import Job


class JobEventQuerySet(models.QuerySet["JobEvent"]):
    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-id")

    def metrics(self) -> Self:
        """The measured steps, in the order of training."""
        return self.filter(event_type="metrics").order_by("created_at", "id")


class JobEvent(models.Model):
    """One line of a job's history: ours, or the provider's with its own id."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    event_type = models.CharField(max_length=50)
    level = models.CharField(max_length=10, default="info")
    message = models.TextField()
    metadata = models.JSONField(default=dict)
    provider_event_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null: never equal
    created_at = models.DateTimeField(default=timezone.now)

    objects = JobEventQuerySet.as_manager()

    class Meta:
        db_table = "fine_tuning_events"
        indexes = [
            models.Index(fields=["job", "-created_at", "-id"], name="job_events_newest"),
            # Of a long run all but a few are metrics, among which its page would look for the others.
            models.Index(
                fields=["job", "event_type", "-created_at", "-id"],
                condition=~models.Q(event_type="metrics"),
                name="job_events_said",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "provider_event_id"], name="job_events_provider_id_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type}: {self.message}"
