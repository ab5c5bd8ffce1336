"""What a job does next, from every state. Each step is one call to the provider and one record of it.

The caller holds the lease. Nothing here is inside a transaction while the provider is asked.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any

from django.db import transaction
from django.utils import timezone

from finetuning.offers import Offer, find_offer
from finetuning.providers.base import (
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    RemoteEvent,
    RemoteJob,
    RemoteStatus,
)
from jobs import starting
from jobs.evidence import evidence_in
from jobs.models import Job, JobEvent
from jobs.states import PAUSED, Status
from models_registry import services as registry

logger = logging.getLogger(__name__)

POLLS_REFUSED_BEFORE_FAILURE = 10


def take_next_step(job: Job, provider: Provider) -> None:
    """Move the job on by what its columns say. Raises ProviderError, LeaseLost or IllegalMove."""
    if job.status == Status.PENDING:
        job.move_to(Status.VALIDATING, message="Preparing the training data.", now=timezone.now())
    if job.provider_job_id is None:
        starting.start(job, provider)
    else:
        _poll(job, provider)


def _poll(job: Job, provider: Provider) -> None:
    """Ask how the run stands, or that it be cancelled, and record the answer and the new events."""
    remote_id = job.provider_job_id or ""
    with _refusals_pass(job):
        if job.cancel_requested_at:
            starting.own_installation()
            remote = starting.ask_to_cancel(provider, remote_id)
        else:
            remote = provider.get_job(remote_id)
    record_answer(job, provider, remote)


@contextmanager
def _refusals_pass(job: Job) -> Iterator[None]:
    """Take what the provider refuses about a run for a passing fault, the first ten times in a row.

    A key was replaced, or a listing lags: the run itself goes on meanwhile.
    """
    try:
        yield
    except ProviderRefused as refusal:
        if job.retries < POLLS_REFUSED_BEFORE_FAILURE:
            raise ProviderUnreachable(refusal.message) from refusal
        raise


def record_answer(job: Job, provider: Provider, remote: RemoteJob) -> None:
    """Record what the provider shows of the run, and the events that came since. Raises as the callers do."""
    with _refusals_pass(job):
        news = _new_events(job, provider.list_events(remote.id))
    _record_events(job, news)
    now = timezone.now()
    job.record(
        now=now,
        last_polled_at=now,
        events_read_at=now,
        estimated_finish_at=remote.estimated_finish_at or job.estimated_finish_at,
        total_epochs=remote.total_epochs or job.total_epochs,
    )
    record_status(job, provider, remote, now=now)


def _new_events(job: Job, newest_first: Iterator[RemoteEvent]) -> list[RemoteEvent]:
    known = set(job.events.exclude(provider_event_id=None).values_list("provider_event_id", flat=True))
    return list(takewhile(lambda event: event.id not in known, newest_first))[::-1]


def _record_events(job: Job, events: list[RemoteEvent]) -> None:
    """Keep the provider's events, each once, and what the last measured step says of progress."""
    rows = [
        JobEvent(
            job=job,
            event_type=event.type,
            level=event.level,
            message=event.message,
            metadata=dict(event.data),
            provider_event_id=event.id,
            created_at=event.created_at,
        )
        for event in events
    ]
    JobEvent.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def record_status(job: Job, provider: Provider, remote: RemoteJob, *, now: datetime) -> None:
    """Move the job to where its run stands. Raises LeaseLost or IllegalMove."""
    if remote.vendor_status != job.vendor_status:
        with transaction.atomic():
            _tell_of_word(job, remote, now=now)
            job.record(now=now, vendor_status=remote.vendor_status)
    if remote.status is RemoteStatus.RUNNING and job.status == Status.QUEUED:
        job.move_to(Status.RUNNING, message="Training has started.", now=now, started_at=now)
    if job.status == Status.RUNNING:
        _record_progress(job, now=now)
    if remote.status is RemoteStatus.SUCCEEDED and remote.model_id:
        _succeed(job, remote, now=now, checkpoints=_checkpoints(job, provider))
    elif remote.status is RemoteStatus.FAILED:
        job.move_to(
            Status.FAILED,
            message=f"The provider ended the job: {remote.error_message or 'it gave no reason'}",
            now=now,
            completed_at=now,
            error_code=remote.error_code,
            error_message=remote.error_message,
            error_evidence=evidence_in(job, remote.error_message, code=remote.error_code),
        )
    elif remote.status is RemoteStatus.CANCELLED:
        job.move_to(Status.CANCELLED, message="Cancelled at the provider.", now=now, cancelled_at=now)


def _tell_of_word(job: Job, remote: RemoteJob, *, now: datetime) -> None:
    """Log a pause, once although it has two words, and a word that says nothing to us."""
    if remote.vendor_status in PAUSED:
        if job.vendor_status not in PAUSED:
            job.events.create(event_type="status", message="Paused at the provider.", created_at=now)
    elif remote.status is None:
        message = f"The provider says {remote.vendor_status!r}, a word not known here. The job goes on."
        job.events.create(event_type="status", level="warning", message=message, created_at=now)


def last_measurement(job: Job) -> dict[str, Any]:
    """The latest of each metric that was measured, by the provider's names: `train_loss`, `step`, ..."""
    latest: dict[str, Any] = {}
    for event in job.events.metrics().order_by("-created_at", "-id")[:50]:
        latest = {name: value for name, value in event.metadata.items() if value is not None} | latest
    return latest


def _record_progress(job: Job, *, now: datetime) -> None:
    measured = last_measurement(job)
    step, total_steps = measured.get("step"), measured.get("total_steps")
    if not step or not total_steps:
        return
    epochs = job.total_epochs
    job.record_progress(
        percentage=100 * step / total_steps,
        now=now,
        current_epoch=min(epochs, 1 + (step - 1) * epochs // total_steps) if epochs else None,
        training_loss=measured.get("train_loss"),
        validation_loss=measured.get("valid_loss"),
    )


def _checkpoints(job: Job, provider: Provider) -> list[dict[str, Any]]:
    """What the provider kept on the way; nothing where it does not tell, which is no reason to wait."""
    try:
        return [asdict(checkpoint) for checkpoint in provider.list_checkpoints(job.provider_job_id or "")]
    except ProviderError as error:
        logger.warning("job %s: its checkpoints are not known: %s", job.pk, error.message)
        return []


def _succeed(job: Job, remote: RemoteJob, *, now: datetime, checkpoints: list[dict[str, Any]]) -> None:
    """End the job and register its model, both or neither."""
    measured = last_measurement(job)
    started_on = (job.started_at or now).date()
    offer = find_offer(job.provider_account, job.base_model, day=started_on)
    with transaction.atomic():
        job.move_to(
            Status.SUCCEEDED,
            message=f"Training succeeded: {remote.model_id}",
            now=now,
            completed_at=now,
            started_at=job.started_at or now,
            progress_percentage=100,
            current_epoch=job.total_epochs,
            trained_tokens=remote.trained_tokens,
            checkpoints=checkpoints,
            actual_cost_usd=_actual_cost_usd(offer, remote.trained_tokens),
            training_loss=measured.get("train_loss"),
            validation_loss=measured.get("full_valid_loss", measured.get("valid_loss")),
        )
        registry.register_model(
            job=job,
            provider_model_id=remote.model_id or "",
            retires_on=offer.retires_on if offer else None,
            final_loss=measured.get("train_loss"),
            training_accuracy=measured.get("train_mean_token_accuracy"),
            validation_accuracy=measured.get(
                "full_valid_mean_token_accuracy", measured.get("valid_mean_token_accuracy")
            ),
        )


def _actual_cost_usd(offer: Offer | None, trained_tokens: int | None) -> Decimal | None:
    """What the trained tokens cost at the price of the day on which training began; None: not known."""
    price = offer.training_price if offer else None
    if price is None or trained_tokens is None:
        return None
    return price.cost_of(trained_tokens)
