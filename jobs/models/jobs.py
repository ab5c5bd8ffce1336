"""Training jobs. The row is the queue: what is to be done next, and when, stands in its columns."""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from finetuning.models import Organization, OrganizationOwned, ProviderAccount
from finetuning.webhooks.events import announce
from jobs.advice import Advice, advice
from jobs.models.querysets import TIMED_SUCCESS, IllegalMove, JobManager, LeaseLost
from jobs.states import ACTIVE, PAUSED, TERMINAL, Status, sources


class Job(OrganizationOwned):
    """One training run, from the request to its result. `move_to` is the only writer of `status`."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="jobs")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    dataset = models.ForeignKey("datasets.Dataset", models.PROTECT, related_name="jobs")
    provider_account = models.ForeignKey(ProviderAccount, models.PROTECT, related_name="jobs")

    base_model = models.CharField(max_length=200)
    method = models.CharField(max_length=20, default="supervised")
    hyperparameters = models.JSONField(default=dict, blank=True)
    validation_split = models.FloatField(default=0)
    suffix = models.CharField(max_length=64, blank=True)
    seed = models.IntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    grader = models.JSONField(default=dict, blank=True, help_text="What scores answers in reinforcement.")
    parent_model = models.ForeignKey(
        "models_registry.FineTunedModel",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="continuing_jobs",
    )
    start_model = models.CharField(
        max_length=300,
        blank=True,
        help_text="Of which tuned model or checkpoint it goes on; empty: of the base model.",
    )
    checkpoints = models.JSONField(
        default=list, blank=True, help_text="What was kept on the way: id, model_id, step, metrics."
    )

    status = models.CharField(
        max_length=20, choices=[(status.value, status.value) for status in Status], default=Status.PENDING
    )
    progress_percentage = models.FloatField(default=0)
    current_epoch = models.IntegerField(null=True, blank=True)
    total_epochs = models.IntegerField(null=True, blank=True)
    trained_tokens = models.BigIntegerField(null=True, blank=True)
    training_loss = models.FloatField(null=True, blank=True)
    validation_loss = models.FloatField(null=True, blank=True)
    estimated_tokens = models.BigIntegerField(null=True, blank=True, help_text="Of all epochs together.")
    estimated_cost_usd = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    estimated_low_usd = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    estimated_high_usd = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    actual_cost_usd = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    error_evidence = models.JSONField(
        default=list,
        blank=True,
        help_text='Where the error is in the dataset: [{"example": 3, "line": 4}], both from 1.',
    )
    retried_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="retries_of"
    )
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    estimated_finish_at = models.DateTimeField(null=True, blank=True)

    # What is known of the run at the provider. The intent is written before the create is sent.
    training_file_id = models.CharField(max_length=200, blank=True)
    validation_file_id = models.CharField(max_length=200, blank=True)
    create_intent_at = models.DateTimeField(null=True, blank=True)
    create_attempts = models.IntegerField(default=0)
    looks_without_match = models.IntegerField(default=0)
    provider_job_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null: never equal
    vendor_status = models.CharField(max_length=50, blank=True)
    dup_check_at = models.DateTimeField(
        null=True, blank=True, help_text="When to look whether a lost create has made a second run."
    )

    # The queue: outbox, back-off and poll interval in one column; the lease says who is at it.
    next_check_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(default=0, help_text="Claims since a step last came to an orderly end.")
    retries = models.IntegerField(default=0, help_text="Passing errors of the provider in a row.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    events_read_at = models.DateTimeField(null=True, blank=True)

    objects = JobManager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "workspace_id",
        "dataset_id",
        "provider_account_id",
        "base_model",
        "method",
        "suffix",
        "status",
        "cancel_requested_at",
    )

    class Meta:
        db_table = "fine_tuning_jobs"
        indexes = [
            models.Index(fields=["organization", "-created_at", "-id"], name="jobs_newest"),
            models.Index(fields=["organization", "status", "-created_at", "-id"], name="jobs_by_status"),
            models.Index(fields=["dataset", "-created_at", "-id"], name="jobs_of_dataset"),
            models.Index(
                fields=["dataset", "status", "-created_at", "-id"], name="jobs_of_dataset_by_status"
            ),
            models.Index(fields=["workspace", "-created_at", "-id"], name="jobs_of_workspace"),
            models.Index(
                fields=["workspace", "status", "-created_at", "-id"], name="jobs_of_workspace_by_status"
            ),
            models.Index(
                fields=["organization", "-completed_at", "-id"],
                name="jobs_latest_completed",
                condition=Q(completed_at__isnull=False),
            ),
            models.Index(
                fields=["organization", "-cancelled_at", "-id"],
                name="jobs_latest_cancelled",
                condition=Q(cancelled_at__isnull=False),
            ),
            models.Index(
                fields=["next_check_at", "id"], name="jobs_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(
                fields=["organization", "-completed_at", "-id"],
                name="jobs_latest_successes",
                condition=TIMED_SUCCESS,
            ),
            models.Index(
                fields=["workspace", "-completed_at", "-id"],
                name="jobs_latest_of_workspace",
                condition=TIMED_SUCCESS & Q(workspace__isnull=False),
            ),
            models.Index(
                fields=["dup_check_at"], name="jobs_dup_check", condition=Q(dup_check_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="jobs_organization_and_id"),
            models.UniqueConstraint(
                fields=["provider_account", "provider_job_id"], name="jobs_provider_job_unique"
            ),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, next_check_at__isnull=True)
                | Q(status__in=ACTIVE, next_check_at__isnull=False),
                name="jobs_finished_means_no_next_check",
            ),
            models.CheckConstraint(
                condition=Q(progress_percentage__range=(0, 100)), name="jobs_progress_range"
            ),
            models.CheckConstraint(
                condition=Q(status=Status.SUCCEEDED, progress_percentage=100)
                | ~Q(status=Status.SUCCEEDED) & Q(progress_percentage__lt=100),
                name="jobs_all_done_means_succeeded",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def may_have_run(self) -> bool:
        """Whether the provider may have heard of it."""
        return self.create_intent_at is not None or self.provider_job_id is not None

    @property
    def reference(self) -> str:
        """What the provider's metadata calls this job."""
        return str(self.pk)

    @property
    def elapsed(self) -> timedelta | None:
        """From the start of training to its end, or to this moment; None before training starts."""
        if self.started_at is None:
            return None
        return (self.completed_at or self.cancelled_at or timezone.now()) - self.started_at

    @property
    def estimate_error(self) -> float | None:
        """By what share of the estimated tokens the trained ones are more (or, negative, fewer).

        In tokens, because cents are too coarse for a small job, and because a price may not be known. None
        until both are known.
        """
        if not self.estimated_tokens or self.trained_tokens is None:
            return None
        return self.trained_tokens / self.estimated_tokens - 1

    @property
    def advice(self) -> Advice | None:
        """Why it failed and what to do; None unless it did."""
        if self.status != Status.FAILED:
            return None
        return advice(self.error_code, message=self.error_message, kind=self.provider_account.kind)

    @property
    def is_paused(self) -> bool:
        """Whether the provider lets the run wait because somebody asked for that."""
        return self.status == Status.RUNNING and self.vendor_status in PAUSED

    @property
    def can_pause(self) -> bool:
        """Whether it can be asked to wait or, paused, to go on."""
        return self.status == Status.RUNNING and self.provider_account.capabilities.pauses

    @property
    def waits_unusually_long(self) -> bool:
        """Whether it has been queued at the provider for longer than 95 % of the organization's jobs were."""
        if self.status != Status.QUEUED or self.queued_at is None:
            return False
        usual = self.organization.jobs.usual_queue_time()
        return usual is not None and (timezone.now() - self.queued_at).total_seconds() > usual

    def claim(self, *, now: datetime, until: datetime) -> bool:
        """Take the lease of a job that is not finished. False: another worker holds it."""
        token = uuid4()
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        claimed = Job.objects.filter(free, pk=self.pk, status__in=ACTIVE).update(
            lease_owner=token, lease_until=until, attempts=F("attempts") + 1
        )
        if claimed:
            self._reload()
            self.lease_owner = token
        return bool(claimed)

    def _reload(self) -> None:
        """Read the row again, but keep the lease that was claimed: the row may name another worker's."""
        self.refresh_from_db(
            fields=[field.attname for field in self._meta.concrete_fields if field.attname != "lease_owner"]
        )

    def record(self, *, now: datetime, **columns: Any) -> None:
        """Save what a step found out, if the lease is still ours. Raises LeaseLost."""
        held = Job.objects.filter(pk=self.pk, lease_owner=self.lease_owner, status__in=ACTIVE)
        if not held.update(updated_at=now, **columns):
            raise LeaseLost(self.pk)
        self._reload()

    def release(self, *, next_check_at: datetime, **columns: Any) -> None:
        """Give the lease back and say when the next step is due. Without effect when it is not ours."""
        held = Job.objects.filter(pk=self.pk, lease_owner=self.lease_owner, status__in=ACTIVE)
        held.update(lease_owner=None, lease_until=None, next_check_at=next_check_at, **columns)
        self._reload()

    def move_to(
        self, status: Status, *, message: str, now: datetime, only_if: Q | None = None, **columns: Any
    ) -> None:
        """Go to `status` and log it; raises IllegalMove, with nothing changed, when that is not allowed.

        `only_if` narrows the rows further. The transition table is the WHERE clause, so a stale instance or
        a second worker cannot break it.
        """
        if status in TERMINAL:
            columns |= {"next_check_at": None, "lease_owner": None, "lease_until": None}
        if status == Status.QUEUED:
            columns["queued_at"] = now
        with transaction.atomic():
            movable = Job.objects.filter(only_if or Q(), pk=self.pk, status__in=sources(status))
            moved = movable.update(status=status, updated_at=now, **columns)
            if not moved:
                raise IllegalMove(f"Job {self.pk} cannot go to {status}.")
            self.events.create(
                event_type="status", message=message, metadata={"status": status}, created_at=now
            )
            self._reload()
            if status in TERMINAL:
                announce(self.organization, f"job.{status}", self.as_event())

    def as_event(self) -> dict[str, Any]:
        """What webhooks tell of a job, in the API's names."""
        return {
            "id": str(self.pk),
            "name": self.name,
            "status": self.status,
            "datasetId": str(self.dataset_id),
            "baseModel": self.base_model,
            "errorCode": self.error_code,
            "errorMessage": self.error_message,
        }

    def make_due(self, *, now: datetime) -> None:
        """Let the next step be taken at once, if the job is not finished."""
        Job.objects.filter(pk=self.pk, status__in=ACTIVE).update(next_check_at=now)

    def request_cancel(self, *, now: datetime) -> bool:
        """Note that the run is to be cancelled at the provider. False: the job is finished."""
        requested = Job.objects.filter(pk=self.pk, status__in=ACTIVE).update(
            cancel_requested_at=now, next_check_at=now, updated_at=now
        )
        self._reload()
        return bool(requested)

    def rename(self, *, now: datetime, **columns: Any) -> None:
        """Change `name` or `description`, the only columns that belong to the user."""
        Job.objects.filter(pk=self.pk).update(updated_at=now, **columns)
        self._reload()

    def record_progress(self, *, percentage: float, now: datetime, **columns: Any) -> None:
        """Record how far training is. It never goes backwards, and 100 is left to success."""
        running = Job.objects.filter(pk=self.pk, status=Status.RUNNING)
        running.update(
            progress_percentage=Greatest(F("progress_percentage"), min(percentage, 99.9)),
            updated_at=now,
            **columns,
        )
        self._reload()
