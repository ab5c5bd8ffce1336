"""What can be done with a job."""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from random import SystemRandom
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from datasets.models import Dataset
from finetuning import audit
from finetuning.errors import Conflict, ProviderFailed, TooMany
from finetuning.limits import Allowance, hourly_allowance
from finetuning.models import Organization, User, Workspace
from finetuning.providers import get_provider
from finetuning.providers.base import (
    CostEstimate,
    OutcomeUnknown,
    Provider,
    ProviderError,
    ProviderUnreachable,
    RemoteJob,
)
from finetuning.queueing import queue_on_commit
from jobs import planning, starting, steps, tasks
from jobs.evidence import evidence_at, evidence_in
from jobs.models import IllegalMove, Job, LeaseLost
from jobs.states import Status

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
# What a step is counted as in the account's limit: a run and a page of its events, or two pages of a list.
CALLS_PER_STEP = 2
# A doorbell for each of a thousand jobs would let everybody else's wait behind them; the sweep takes turns.
RUNG_PER_ORGANIZATION = 20


class JobNotRetryable(Conflict):
    code = "job_not_retryable"


class JobAlreadyFinished(Conflict):
    code = "job_already_finished"


class ProviderDidNotAnswer(ProviderFailed):
    code = "provider_did_not_answer"


class TooManyJobs(TooMany):
    code = "too_many_jobs"


def job_allowance(organization: Organization) -> Allowance:
    """How many jobs the organization may still start within the hour."""
    return hourly_allowance(organization.jobs.all(), limit=settings.JOBS_PER_HOUR, now=timezone.now())


def create_job(
    organization: Organization,
    *,
    by: User,
    name: str,
    dataset: Dataset,
    base_model: str,
    provider: str = "",
    method: str = "",
    hyperparameters: dict[str, Any] | None = None,
    validation_split: float = 0,
    seed: int | None = None,
    workspace: Workspace | None = None,
    description: str = "",
    suffix: str = "",
    retried_from: Job | None = None,
    metadata: dict[str, str] | None = None,
    grader: dict[str, Any] | None = None,
) -> Job:
    """Accept a job: it starts in a worker at once, or at the next sweep.

    `provider` is an account's name, empty for the default one; `method` empty for the dataset's own;
    `retried_from` the job whose place the new one takes; `base_model` also a tuned model, by id or name.
    Raises as `planning.plan_job`, `planning.check_grader` and `planning.check_metadata` do, or TooManyJobs;
    then nothing was made.
    """
    hyperparameters, metadata, grader = hyperparameters or {}, metadata or {}, grader or {}
    planning.check_metadata(metadata)
    plan = planning.plan_job(
        organization,
        dataset=dataset,
        base_model=base_model,
        provider=provider,
        method=method,
        epochs=hyperparameters.get("n_epochs"),
        validation_split=validation_split,
    )
    planning.check_grader(plan.method, grader=grader, validation_split=validation_split)
    return _accept(
        organization,
        created_by=by,
        name=name,
        description=description,
        dataset=dataset,
        provider_account=plan.start.offer.account,
        workspace=workspace or dataset.workspace,
        base_model=plan.start.offer.base_model.name,
        parent_model=plan.start.parent,
        start_model=plan.start.model,
        metadata=metadata,
        grader=grader,
        method=plan.method,
        hyperparameters=hyperparameters,
        validation_split=validation_split,
        suffix=suffix,
        retried_from=retried_from,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        **_expected(plan.estimate),
    )


def _expected(estimate: CostEstimate) -> dict[str, Any]:
    return {
        "total_epochs": estimate.epochs,
        "estimated_tokens": estimate.trained_tokens,
        "estimated_cost_usd": estimate.training_usd,
        "estimated_low_usd": estimate.low_usd,
        "estimated_high_usd": estimate.high_usd,
    }


def _accept(organization: Organization, *, dataset: Dataset, **columns: Any) -> Job:
    """Make the row of the job and let its first step be taken. Raises DatasetNotTrainable, TooManyJobs."""
    with transaction.atomic():
        _take_place(organization)
        # Deleting a dataset takes the same lock, so it cannot go while a job for it is being made.
        lockable = organization.datasets.trainable().select_for_update(no_key=True)
        if not lockable.filter(pk=dataset.pk).exists():
            raise planning.not_trainable(dataset)
        job: Job = organization.jobs.create(dataset=dataset, **columns)
        job.events.create(event_type="status", message="Job accepted.", metadata={"status": Status.PENDING})
        retried = {"retried_from": job.retried_from_id} if job.retried_from_id else {}
        audit.record("job.created", job, before={}, details=retried)
        if organization.jobs.filter(status=Status.PENDING).count() <= RUNG_PER_ORGANIZATION:
            queue_on_commit(tasks.advance_job, job_id=str(job.pk))
    return job


def retry_job(job: Job, *, by: User) -> Job:
    """A new job with everything that was asked of `job`, linked to it. Raises as `create_job` does.

    Also raises JobNotRetryable unless the job failed or was cancelled.
    """
    if job.status not in {Status.FAILED, Status.CANCELLED}:
        raise JobNotRetryable("Only a job that failed or was cancelled can be retried.")
    return create_job(
        job.organization,
        by=by,
        name=job.name,
        description=job.description,
        dataset=job.dataset,
        base_model=job.start_model or job.base_model,
        provider=job.provider_account.name,
        metadata=job.metadata,
        grader=job.grader,
        method=job.method,
        hyperparameters=job.hyperparameters,
        validation_split=job.validation_split,
        suffix=job.suffix,
        seed=job.seed,
        workspace=job.workspace,
        retried_from=job,
    )


def _take_place(organization: Organization) -> None:
    organization.lock()
    allowance = job_allowance(organization)
    if not allowance.remaining:
        raise TooManyJobs(
            f"{allowance.limit} jobs an hour can be started. There is room again in "
            f"{ceil(allowance.reset_seconds / 60)} min.",
            retry_after=allowance.reset_seconds,
        )


def advance_job(job: Job) -> None:
    """Take the job's next step, whatever that is: start, poll, recover, sync are all this one verb.

    Without effect on a finished job and on one that another worker holds. A passing error of the provider
    is logged on the job and tried again later; an unexpected one is raised after the job was put back.
    """
    now = timezone.now()
    if not job.claim(now=now, until=now + timedelta(seconds=settings.JOB_LEASE_SECONDS)):
        return
    if not job.may_have_run and job.organization.is_suspended:
        job.release(next_check_at=now + _longest_wait(), attempts=0)
        return
    if job.attempts > MAX_ATTEMPTS and not _is_spared(job, now=now):
        return
    account = job.provider_account
    if not account.admit(calls=CALLS_PER_STEP, now=now):
        job.release(next_check_at=later(account.resumes_at(now)), attempts=0)
        return
    take_step(job, lambda: steps.take_next_step(job, get_provider(account)))


def record_status(job: Job, provider: Provider, remote: RemoteJob) -> None:
    """Record how a run stands by what the provider has just answered.

    Where another worker is at the job, the next poll, which is due at once, does it.
    """
    now = timezone.now()
    if job.claim(now=now, until=now + timedelta(seconds=settings.JOB_LEASE_SECONDS)):
        take_step(job, lambda: steps.record_status(job, provider, remote, now=now))
    else:
        job.make_due(now=now)


def _is_spared(job: Job, *, now: datetime) -> bool:
    """Whether the job goes on although each of its last workers died at it."""
    if not job.may_have_run:
        message = f"The job's worker died {MAX_ATTEMPTS} times before it reached the provider."
        _fail(job, code="poison", message=message)
        return False
    # There may be a run, which goes on and costs money: look after it, but seldom, in case this one dies too.
    job.record(now=now, next_check_at=now + _longest_wait())
    return True


def take_step(job: Job, step: Callable[[], None]) -> None:
    """Do `step` for a job whose lease is held, and put the job back however that ends.

    Raises nothing but what is unexpected.
    """
    account = job.provider_account
    try:
        step()
    except (LeaseLost, IllegalMove):
        logger.info("job %s was moved by somebody else", job.pk)
    except ProviderError as error:
        if isinstance(error, ProviderUnreachable | OutcomeUnknown):
            retry_after = getattr(error, "retry_after", None)
            account.mark_failing(error.message, now=timezone.now(), retry_after=retry_after)
        _record_provider_error(job, error)
    except Exception:
        job.release(next_check_at=timezone.now() + _back_off(job.attempts))
        raise
    else:
        account.mark_answering()
        job.refresh_from_db(fields=["cancel_requested_at"])
        interval = timedelta(seconds=settings.POLL_INTERVAL_SECONDS)
        now = timezone.now()
        job.release(
            next_check_at=now if job.cancel_requested_at else later(now + interval), attempts=0, retries=0
        )


def later(moment: datetime) -> datetime:
    """`moment` and up to a tenth of an interval more, so that jobs do not all come at once."""
    spread = SystemRandom().uniform(0, settings.POLL_INTERVAL_SECONDS / 10)
    return moment + timedelta(seconds=spread)


def check_for_duplicates(job: Job) -> None:
    """Look whether a create whose answer was lost has made a second run, and cancel that. Without effect
    unless it is due; a passing error of the provider only puts it off."""
    now = timezone.now()
    due = Job.objects.duplicate_checks_due(now).filter(pk=job.pk)
    if not due.order_by().update(dup_check_at=now + timedelta(seconds=settings.JOB_LEASE_SECONDS)):
        return
    account = job.provider_account
    if not account.admit(calls=CALLS_PER_STEP, now=now):
        return
    try:
        starting.look_for_duplicates(job, get_provider(account))
    except ProviderError as error:
        logger.warning("job %s could not be checked for duplicates: %s", job.pk, error.message)
        again_at: datetime | None = now + _longest_wait()
    else:
        again_at = starting.next_duplicate_check(job, now)
    Job.objects.filter(pk=job.pk).update(dup_check_at=again_at)


def _longest_wait() -> timedelta:
    return timedelta(seconds=settings.MAX_BACK_OFF_SECONDS)


def _back_off(failures: int) -> timedelta:
    """One poll interval, doubled with each failure, at most MAX_BACK_OFF_SECONDS."""
    return min(_longest_wait(), timedelta(seconds=settings.POLL_INTERVAL_SECONDS * 2.0 ** min(failures, 10)))


def _record_provider_error(job: Job, error: ProviderError) -> None:
    if error.permanent:
        evidence = evidence_at(job, error.positions) or evidence_in(job, error.message, code=error.code)
        _fail(job, code=error.code, message=error.message, error_evidence=evidence)
        return
    now = timezone.now()
    wait = _back_off(job.retries)
    if isinstance(error, ProviderUnreachable) and error.retry_after:
        wait = max(wait, min(_longest_wait(), timedelta(seconds=error.retry_after)))
    message = f"{error.message} Trying again at {now + wait:%H:%M:%S} UTC."
    job.events.create(event_type="error", level="warning", message=message, created_at=now)
    job.release(next_check_at=now + wait, attempts=0, retries=job.retries + 1)


def _fail(job: Job, *, code: str, message: str, **columns: Any) -> None:
    now = timezone.now()
    columns |= {"error_code": code, "error_message": message}
    try:
        job.move_to(Status.FAILED, message=message, now=now, completed_at=now, **columns)
    except IllegalMove:
        logger.info("job %s ended before it could be failed with %s", job.pk, code)


def cancel_job(job: Job, *, by: User) -> Job:
    """Cancel the job: at once while the provider has not heard of it, else by asking the provider.

    Raises JobAlreadyFinished.
    """
    now = timezone.now()
    with transaction.atomic(durable=True), audit.changing(job, "job.cancelled"):
        try:
            job.move_to(
                Status.CANCELLED,
                message=f"Cancelled by {by.display_name}.",
                now=now,
                only_if=Q(create_intent_at=None, provider_job_id=None),
                cancelled_at=now,
            )
        except IllegalMove:
            _ask_for_cancellation(job, by=by, now=now)
    return job


def _ask_for_cancellation(job: Job, *, by: User, now: datetime) -> None:
    if not job.request_cancel(now=now):
        raise JobAlreadyFinished(f"The job has already ended: {job.status}.")
    job.events.create(event_type="status", message=f"{by.display_name} asked to cancel.", created_at=now)
    queue_on_commit(tasks.advance_job, job_id=str(job.pk))


def sync_job(job: Job) -> Job:
    """Ask the provider now. Safe beside the poller; a finished job is returned as it is.

    Raises ProviderDidNotAnswer.
    """
    advance_job(job)
    job.refresh_from_db()
    account = job.provider_account
    if job.is_active and account.paused_until and account.paused_until > timezone.now():
        raise ProviderDidNotAnswer(account.reason)
    if job.is_active and job.retries:
        last_error = job.events.filter(event_type="error").newest_first().first()
        raise ProviderDidNotAnswer(last_error.message if last_error else "The provider did not answer.")
    return job


def update_job(job: Job, **columns: Any) -> Job:
    """Change `name` or `description`."""
    with audit.changing(job, "job.changed"):
        job.rename(now=timezone.now(), **columns)
    return job


def expect_lost_runs() -> int:
    """After a restored backup: every job without a run may have got one since. Returns how many there are.

    They are looked for as after a lost create, so that none is trained twice.
    """
    now = timezone.now()
    without_run = Job.objects.active().filter(provider_job_id=None)
    expected: int = without_run.update(create_intent_at=now, looks_without_match=0, dup_check_at=now)
    return expected


def give_up_copied_jobs() -> int:
    """In a copy of a database: the original goes on with the unfinished jobs. Returns how many there are."""
    copied = list(Job.objects.active())
    for job in copied:
        message = "The job goes on in the installation from which this database was copied."
        _fail(job, code="copied_database", message=message)
    return len(copied)
