"""Questions about many jobs."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from django.db import models, transaction
from django.db.models import Case, Count, F, Func, Q, When, Window
from django.db.models.functions import Extract, RowNumber

from finetuning.models import Workspace
from jobs.states import ACTIVE, TERMINAL, Status

if TYPE_CHECKING:
    from jobs.models.jobs import Job  # noqa: F401 - named in strings

# What only the workers need of a row, and what is too large for a list.
NOT_LISTED = (
    *("training_file_id", "validation_file_id", "create_intent_at", "create_attempts", "looks_without_match"),
    *("vendor_status", "dup_check_at", "next_check_at", "lease_owner", "lease_until", "attempts", "retries"),
    *("cancel_requested_at", "last_polled_at", "events_read_at", "grader", "checkpoints"),
)
# So many of the latest jobs say how long one takes: more would make the answer slower and older.
MEDIAN_OF = 1_000
JOBS_TO_COMPARE_WITH = 20
TIMED_SUCCESS = Q(status=Status.SUCCEEDED, started_at__isnull=False, completed_at__isnull=False)


class IllegalMove(Exception):
    """The job is not in a state from which it may go there; nothing was changed."""


class LeaseLost(Exception):
    """Another worker has taken the job over, so what this one found out is void."""


class Median(models.Aggregate):
    """PostgreSQL's percentile_cont(0.5)."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = models.FloatField()


class Percentile95(Median):
    """PostgreSQL's percentile_cont(0.95)."""

    template = "%(function)s(0.95) WITHIN GROUP (ORDER BY %(expressions)s)"


class JobQuerySet(models.QuerySet["Job"]):
    def active(self) -> Self:
        return self.filter(status__in=ACTIVE)

    def free(self, now: datetime) -> Self:
        """Jobs that no living worker holds."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lte=now))

    def due(self, now: datetime) -> Self:
        """Jobs whose next step is due and that no living worker holds, the longest waiting first."""
        return self.free(now).filter(next_check_at__lte=now).order_by("next_check_at", "id")

    def wake(self, *, now: datetime) -> None:
        """Let those that are not finished take their next step at the next sweep."""
        self.active().update(next_check_at=now)

    def in_turn(self) -> Self:
        """Each organization's first, then each one's second: nobody waits for all of somebody else's."""
        place = Window(
            RowNumber(), partition_by="organization_id", order_by=[F("next_check_at").asc(), F("id").asc()]
        )
        return self.annotate(place=place).order_by("place", "next_check_at", "id")

    def watched(self) -> Self:
        """Jobs that run at the provider, whose news a list of all runs can tell."""
        return self.filter(
            status__in=(Status.QUEUED, Status.RUNNING),
            provider_job_id__isnull=False,
            cancel_requested_at=None,
            retries=0,
        )

    def duplicate_checks_due(self, now: datetime) -> Self:
        """Jobs of which a second run may have turned up meanwhile, and whose own run is known."""
        settled = Q(provider_job_id__isnull=False) | Q(status__in=TERMINAL)
        return self.filter(settled, dup_check_at__lte=now).order_by("dup_check_at", "id")

    def claim_all(self, *, now: datetime, until: datetime) -> tuple[UUID, int]:
        """Take the leases of all these jobs that are free, at once; returns the owner and how many."""
        token = uuid4()
        free = self.free(now).select_for_update(skip_locked=True, of=("self",)).order_by().values("pk")
        with transaction.atomic():
            claimed = self.model.objects.filter(pk__in=free).update(
                lease_owner=token, lease_until=until, attempts=F("attempts") + 1
            )
        return token, claimed

    def held_by(self, owner: UUID) -> Self:
        """Unfinished jobs whose lease is still of `owner`."""
        return self.filter(lease_owner=owner, next_check_at__isnull=False)

    def release_all(self, *, owner: UUID, next_check_at: Any, **columns: Any) -> None:
        """Give back the leases that are still of `owner`. `next_check_at` may be an expression."""
        self.held_by(owner).update(
            lease_owner=None, lease_until=None, attempts=0, next_check_at=next_check_at, **columns
        )

    def cancel_all(self, *, by: str, now: datetime) -> None:
        """Cancel all that have not ended: at once where the provider has not heard of the job, else by the
        next sweep. Called in the transaction of what is the reason, such as a deleted organization."""
        for job in self.filter(status__in=ACTIVE):
            try:
                job.move_to(
                    Status.CANCELLED,
                    message=f"Cancelled by {by}.",
                    now=now,
                    only_if=Q(create_intent_at=None, provider_job_id=None),
                    cancelled_at=now,
                )
            except IllegalMove:
                if job.request_cancel(now=now):
                    job.events.create(event_type="status", message=f"{by} asked to cancel.", created_at=now)

    def with_related(self) -> Self:
        """With everything that a list row or the API shows of a job."""
        return self.select_related("dataset", "provider_account", "created_by", "fine_tuned_model")

    def with_names(self) -> Self:
        """With what the API shows of related rows, and no other column of them."""
        own = [field.name for field in self.model._meta.concrete_fields]
        person = ("created_by__email", "created_by__first_name", "created_by__last_name")
        named = (
            "dataset__name",
            "dataset__total_examples",
            "provider_account__name",
            "provider_account__kind",
        )
        return self.with_related().only(*own, *named, *person, "fine_tuned_model__id")

    def listed(self) -> Self:
        """With what the API's list shows, and no other column."""
        return self.with_names().defer(*NOT_LISTED)

    def median_duration(self) -> float | None:
        """Seconds from the start of training to its end: the median of the latest jobs that succeeded."""
        seconds = self.filter(TIMED_SUCCESS).annotate(
            seconds=Extract(F("completed_at") - F("started_at"), "epoch")
        )
        latest = seconds.order_by("-completed_at", "-id").values("seconds")[:MEDIAN_OF]
        median: float | None = latest.aggregate(median=Median("seconds"))["median"]
        return median

    def usual_queue_time(self) -> float | None:
        """The seconds within which 95 % of the latest jobs went from the queue into training.

        None of fewer than 20 jobs: too few to say what is usual.
        """
        waited = self.filter(TIMED_SUCCESS, queued_at__isnull=False).annotate(
            seconds=Extract(F("started_at") - F("queued_at"), "epoch")
        )
        latest = waited.order_by("-completed_at", "-id").values("seconds")[:MEDIAN_OF]
        found = latest.aggregate(jobs=Count("*"), usual=Percentile95("seconds"))
        return found["usual"] if found["jobs"] >= JOBS_TO_COMPARE_WITH else None

    def estimate_history(self) -> dict[str, Any]:
        """How near the estimates of the latest jobs that succeeded have come to what was trained.

        `jobs` is how many that are, `median_error` their median error in tokens, either way, as a share,
        `cost_compared` how many have both a known cost and a range for it, `within_range` how many of these
        cost what the range said, `cost_unknown` how many have no known cost.
        """
        known = Q(estimated_tokens__gt=0, trained_tokens__isnull=False)
        error = Func(
            F("trained_tokens") * 1.0 / F("estimated_tokens") - 1.0,
            function="ABS",
            output_field=models.FloatField(),
        )
        in_range = Q(
            actual_cost_usd__gte=F("estimated_low_usd"), actual_cost_usd__lte=F("estimated_high_usd")
        )
        latest = self.filter(TIMED_SUCCESS).order_by("-completed_at", "-id")[:MEDIAN_OF]
        found: dict[str, Any] = self.model.objects.filter(pk__in=latest.values("pk")).aggregate(
            jobs=Count("pk", filter=known),
            median_error=Median(Case(When(known, then=error))),
            cost_compared=Count(
                "pk", filter=Q(actual_cost_usd__isnull=False, estimated_low_usd__isnull=False)
            ),
            within_range=Count("pk", filter=in_range),
            cost_unknown=Count("pk", filter=Q(actual_cost_usd=None)),
        )
        return found


class JobManager(models.Manager.from_queryset(JobQuerySet)):  # type: ignore[misc]
    """On the manager, not on the QuerySet: only `organization.jobs` knows whose numbers are asked for."""

    def totals(self, *, workspace: Workspace | None = None) -> dict[str, Any]:
        """Numbers of `organization.jobs`, or of those in one workspace.

        `success_rate` is a share of the finished ones from 0 to 1, None where nothing has finished.
        """
        sums = self.instance.stat_changes.sums("jobs", workspace=workspace)
        by_status = {status.value: sums["status"][status] for status in Status}
        finished = sum(by_status[status] for status in TERMINAL)
        return {
            "total_jobs": sum(by_status.values()),
            "active_jobs": sum(by_status[status] for status in ACTIVE),
            "succeeded_jobs": by_status[Status.SUCCEEDED],
            "failed_jobs": by_status[Status.FAILED],
            "cancelled_jobs": by_status[Status.CANCELLED],
            "by_status": by_status,
            "spent_usd": sums["spent_usd"][""],
            "success_rate": by_status[Status.SUCCEEDED] / finished if finished else None,
        }
