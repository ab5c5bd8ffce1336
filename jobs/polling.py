"""Watching many runs of one account at once: one request per page of the provider's list, not one per job.

What the list shows as before is recorded in one statement per page. A run's events, one more request, are
read when its status has changed, and for some running ones in turn, the longest unread first.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from finetuning.models import ProviderAccount
from finetuning.providers import get_provider
from finetuning.providers.base import Provider, ProviderError, ProviderRefused, ProviderUnreachable, RemoteJob
from jobs import services, steps, tasks
from jobs.models import Job, JobEvent
from jobs.states import Status

logger = logging.getLogger(__name__)

# An account with fewer jobs to watch is asked about each: two requests tell everything at once.
FROM_SO_MANY_JOBS = 20
PAGE_ROWS = 100
# Runs whose events are read at one poll: those whose status has changed, and those in turn.
CHANGES_PER_POLL = 50
EVENT_READS_PER_POLL = 10
HOLD_SIZE = 2_000
# The columns that a page of the list is compared with.
COMPARED = ("provider_job_id", "status", "vendor_status", "events_read_at")


def soon(now: datetime) -> datetime:
    """Until when a job counts as due for a poll of its whole account: a list shows its neighbours anyway."""
    return now + timedelta(seconds=settings.POLL_INTERVAL_SECONDS / 2)


def busy_accounts(now: datetime) -> list[UUID]:
    """The accounts with so many jobs to watch that their lists are read, if any of those jobs is due."""
    watched = Job.objects.watched().free(now).filter(next_check_at__lte=soon(now))
    counted = (
        watched.order_by()
        .values("provider_account")
        .annotate(jobs=Count("id"), due=Count("id", filter=Q(next_check_at__lte=now)))
    )
    found = counted.filter(jobs__gte=FROM_SO_MANY_JOBS, due__gt=0)
    return list(found.values_list("provider_account", flat=True))


def hold_jobs(now: datetime) -> None:
    """Put off the due jobs of accounts that are left alone for a while, and say on each why."""
    for account in ProviderAccount.objects.filter(paused_until__gt=now):
        with transaction.atomic():
            due = account.jobs.due(now).select_for_update(skip_locked=True, of=("self",))
            held = list(due.values_list("pk", flat=True)[:HOLD_SIZE])
            _put_off(held, until=account.resumes_at(now), reason=account.reason, now=now)


def _put_off(jobs: Sequence[UUID], *, until: datetime, reason: str, now: datetime) -> None:
    events = [
        JobEvent(job_id=job, event_type="error", level="warning", message=reason, created_at=now)
        for job in jobs
    ]
    JobEvent.objects.bulk_create(events, batch_size=500)
    Job.objects.filter(pk__in=jobs).update(next_check_at=services.later(until))


def poll_account(account: ProviderAccount) -> None:
    """Record what the account's list tells of all its watched jobs; the others are asked for one by one.

    A list that cannot be read puts off all of them; nothing is done where another worker is at it.
    """
    now = timezone.now()
    if not account.admit(calls=1, now=now):
        return
    lease = settings.JOB_LEASE_SECONDS + 4 * settings.PROVIDER_TIMEOUT_SECONDS
    due = account.jobs.watched().filter(next_check_at__lte=soon(now))
    owner, claimed = due.claim_all(now=now, until=now + timedelta(seconds=lease))
    if claimed:
        _Poll(account, owner).run()


class _Poll:
    """One walk through the list of an account, by the worker that holds the leases of `owner`."""

    def __init__(self, account: ProviderAccount, owner: UUID) -> None:
        self.account = account
        self.owner = owner
        held = Job.objects.held_by(owner).only(*COMPARED)
        self.unseen = {job.provider_job_id: job for job in held}
        self.in_turn = _longest_unread(self.unseen.values())
        self.to_read: list[tuple[Job, RemoteJob]] = []

    def run(self) -> None:
        try:
            provider = get_provider(self.account)
            self._walk(provider)
        except ProviderRefused as refusal:
            # It has no list, or none for us. Asked one by one, the jobs learn what to make of that.
            logger.warning("account %s cannot be polled by its list: %s", self.account.pk, refusal.message)
        except ProviderError as error:
            self._put_off(error)
            return
        else:
            self.account.mark_answering()
        self._ring_for_the_rest()
        for job, remote in self.to_read:
            self._read_events(job.pk, provider, remote)

    def _walk(self, provider: Provider) -> None:
        remotes = provider.list_jobs()
        while self.unseen and (page := list(islice(remotes, PAGE_ROWS))):
            self._record(page)
            if self.unseen and not self.account.admit(calls=1, now=timezone.now()):
                return

    def _record(self, page: Iterable[RemoteJob]) -> None:
        now = timezone.now()
        seen = [(self.unseen.pop(remote.id), remote) for remote in page if remote.id in self.unseen]
        to_read = [(job, remote) for job, remote in seen if self._wants_reading(job, remote)]
        self.to_read += to_read
        read_later = {job.pk for job, _ in to_read}
        interval = timedelta(seconds=settings.POLL_INTERVAL_SECONDS)
        unchanged = Job.objects.filter(pk__in=[job.pk for job, _ in seen if job.pk not in read_later])
        unchanged.release_all(
            owner=self.owner, next_check_at=services.later(now + interval), last_polled_at=now
        )

    def _wants_reading(self, job: Job, remote: RemoteJob) -> bool:
        return job.pk in self.in_turn or has_changed(job, remote)

    def _ring_for_the_rest(self) -> None:
        """The jobs that the list did not show, or whose turn it is not yet: due at once, each by itself."""
        late = self.to_read[CHANGES_PER_POLL + EVENT_READS_PER_POLL :]
        del self.to_read[CHANGES_PER_POLL + EVENT_READS_PER_POLL :]
        rest = [job.pk for job in self.unseen.values()] + [job.pk for job, _ in late]
        if rest:
            Job.objects.filter(pk__in=rest).release_all(owner=self.owner, next_check_at=timezone.now())
            tasks.ring(rest)

    def _put_off(self, error: ProviderError) -> None:
        now = timezone.now()
        retry_after = error.retry_after if isinstance(error, ProviderUnreachable) else None
        self.account.mark_failing(error.message, now=now, retry_after=retry_after)
        rest = [job.pk for job in self.unseen.values()]
        interval = timedelta(seconds=settings.POLL_INTERVAL_SECONDS)
        until = max(now + interval, self.account.paused_until or now)
        with transaction.atomic():
            Job.objects.release_all(owner=self.owner, next_check_at=until)
            _put_off(rest, until=until, reason=self.account.reason, now=now)

    def _read_events(self, pk: UUID, provider: Provider, remote: RemoteJob) -> None:
        job = Job.objects.select_related("provider_account", "organization").get(pk=pk)
        if job.lease_owner == self.owner:
            services.take_step(job, partial(steps.record_answer, job, provider, remote))


def _longest_unread(jobs: Iterable[Job]) -> frozenset[UUID]:
    running = [job for job in jobs if job.status == Status.RUNNING]
    running.sort(key=lambda job: job.events_read_at.timestamp() if job.events_read_at else 0)
    return frozenset(job.pk for job in running[:EVENT_READS_PER_POLL])


def has_changed(job: Job, remote: RemoteJob) -> bool:
    """Whether the list shows another state than the one that is recorded."""
    is_other_state = remote.status is not None and remote.status.value != job.status
    return remote.vendor_status != job.vendor_status or is_other_state
