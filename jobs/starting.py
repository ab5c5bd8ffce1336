"""How a run begins at the provider: upload, create once, and find out what became of a lost create.

The create is the only call that must not be repeated. Its intent is written down first, a lost answer is
looked for at the provider, and where doubt is left the run is looked for again later.
"""

import logging
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from datasets.training_files import row_of, stored_file_is_unchanged, write_training_files
from finetuning.models import Installation
from finetuning.providers.base import (
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    RemoteJob,
    RemoteStatus,
    TrainingRun,
)
from finetuning.providers.base_models import find_base_model
from jobs.locks import only_creator
from jobs.models import Job, JobEvent, LeaseLost
from jobs.states import Status

logger = logging.getLogger(__name__)

# An unknown create may be sent again only after this many complete listings without a match.
LOOKS_BEFORE_RESEND = 3
# A look reads two lists, each for at most four times the time of one request.
TIMEOUTS_PER_LOOK = 8
# When a second run is looked for after a create whose answer was lost.
DUPLICATE_CHECKS = (
    timedelta(minutes=2),
    timedelta(minutes=10),
    *(timedelta(days=days) for days in range(1, 8)),
)
# The slowest upload that the adapter waits for; the lease has to outlive it.
UPLOAD_BYTES_PER_SECOND = 512 * 1024
SHOWN_PROBLEMS = 5
ENDED = frozenset({RemoteStatus.SUCCEEDED, RemoteStatus.FAILED, RemoteStatus.CANCELLED})


class Quarantined(ProviderError):
    """The database stands where nobody confirmed it, so nothing may be changed at a provider."""

    def __init__(self) -> None:
        super().__init__(
            "This database was restored or copied, so nothing is started or cancelled at the provider. "
            "An operator has to run `manage.py confirm_installation` first.",
            permanent=False,
            code="quarantine",
        )


class DatasetBeingRead(ProviderError):
    """The dataset's examples are being replaced by those of another reading of its file."""

    def __init__(self) -> None:
        message = "The dataset is being checked again; the job starts when that is done."
        super().__init__(message, permanent=False, code="dataset_not_ready")


def own_installation() -> Installation:
    """Whose runs are ours to start, adopt and cancel. Raises Quarantined."""
    installation = Installation.load()
    if installation.is_quarantined:
        raise Quarantined
    return installation


def start(job: Job, provider: Provider) -> None:
    """Bring the job to the provider, or one step nearer. Raises ProviderError, LeaseLost or IllegalMove."""
    installation = own_installation()
    _upload_files(job, provider)
    with only_creator(job):
        if job.create_intent_at is None:
            _create(job, provider, installation)
        else:
            _look_for_lost_create(job, provider, installation)


def _upload_files(job: Job, provider: Provider) -> None:
    """Write and upload what is not uploaded yet. The file names make a repeat find the first upload."""
    if job.training_file_id:
        return
    read_at = _read_at(job)
    _check_with_provider(job, provider)
    with tempfile.TemporaryDirectory() as folder:
        files = write_training_files(
            job.dataset, split=job.validation_split, seed=job.seed, folder=Path(folder), method=job.method
        )
        if _read_at(job) != read_at:
            raise DatasetBeingRead
        _tell_split(job, len(files.held_back))
        validation_id = ""
        if files.validation:
            validation_id = _upload(job, provider, files.validation)
        training_id = _upload(job, provider, files.training)
    job.record(now=timezone.now(), training_file_id=training_id, validation_file_id=validation_id)


def _read_at(job: Job) -> datetime | None:
    """When the stored examples were read. Raises DatasetBeingRead while they are not whole, ProviderRefused
    when they have errors by now."""
    job.dataset.refresh_from_db(fields=["status", "validated_at"])
    if job.dataset.is_processing:
        raise DatasetBeingRead
    if not job.dataset.validated:
        message = f"The dataset {job.dataset.name!r} has errors, which its last check has found."
        raise ProviderRefused(message, code="dataset_not_trainable")
    return job.dataset.validated_at


def _tell_split(job: Job, held_back: int) -> None:
    """Say once how many examples are held back, where fewer can be than were asked for."""
    asked = round(job.dataset.total_examples * job.validation_split)
    if held_back < asked:
        message = (
            f"{held_back} of the {asked} examples that were asked for are held back for validation: more "
            "would have split conversations, or examples that say nearly the same."
        )
        _tell_once(job, "split", message, event_type="status", level="info")


def _check_with_provider(job: Job, provider: Provider) -> None:
    """Refuse what was changed since its validation, or what the provider is known to refuse, before anything
    is sent. Raises ProviderRefused."""
    if not stored_file_is_unchanged(job.dataset):
        message = "The stored file is not the one that was validated. Upload the data again."
        raise ProviderRefused(message, code="hash_mismatch")
    examples = job.dataset.examples.order_by("position").iterator(chunk_size=500)
    problems = provider.validate_dataset(map(row_of, examples), method=job.method)
    if shown := list(islice(problems, SHOWN_PROBLEMS)):
        words = "; ".join(f"example {problem.position + 1}: {problem.message}" for problem in shown)
        raise ProviderRefused(
            f"The provider does not take this data: {words}",
            code=shown[0].code,
            positions=[problem.position for problem in shown],
        )


def _upload(job: Job, provider: Provider, path: Path) -> str:
    now = timezone.now()
    seconds = settings.JOB_LEASE_SECONDS + path.stat().st_size / UPLOAD_BYTES_PER_SECOND
    job.record(now=now, lease_until=now + timedelta(seconds=seconds))
    return provider.upload_file(path, name=f"ft-{job.pk}-{path.name}")


def _create(job: Job, provider: Provider, installation: Installation) -> None:
    """Write down the intent, then send the create, once. A definite no takes the intent back."""
    # A definite answer settles the first create; after a lost one, a second run may still turn up.
    doubt = {} if job.dup_check_at else {"dup_check_at": None}
    lease_until = _write_intent(job)
    if timezone.now() > lease_until - timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS):
        # Paused since the intent: the answer would come after the lease is over.
        raise LeaseLost(job.pk)
    try:
        remote = provider.create_job(_run_of(job, installation))
    except (ProviderRefused, ProviderUnreachable):
        job.record(now=timezone.now(), create_intent_at=None, **doubt)
        raise
    _accept(job, remote, **doubt)


def _write_intent(job: Job) -> datetime:
    """Note that the create is about to be sent; returns until when the lease holds."""
    now = timezone.now()
    lease_until = now + timedelta(seconds=settings.JOB_LEASE_SECONDS)
    job.record(
        now=now,
        create_intent_at=now,
        create_attempts=job.create_attempts + 1,
        looks_without_match=0,
        dup_check_at=now + DUPLICATE_CHECKS[0],
        lease_until=lease_until,
    )
    return lease_until


def _run_of(job: Job, installation: Installation) -> TrainingRun:
    return TrainingRun(
        reference=job.reference,
        organization=str(job.organization_id),
        installation=str(installation),
        attempt=job.create_attempts,
        base_model=job.start_model or job.base_model,
        training_file=job.training_file_id,
        validation_file=job.validation_file_id or None,
        method=job.method,
        hyperparameters=job.hyperparameters,
        suffix=job.suffix or None,
        seed=job.seed,
        metadata=job.metadata,
        grader=job.grader,
    )


def _accept(job: Job, remote: RemoteJob, **columns: Any) -> None:
    now = timezone.now()
    # One without the other is a job that is polled and can never be queued.
    with transaction.atomic():
        job.record(now=now, provider_job_id=remote.id, vendor_status=remote.vendor_status, **columns)
        job.move_to(Status.QUEUED, message=f"The provider accepted the job as {remote.id}.", now=now)


def _look_for_lost_create(job: Job, provider: Provider, installation: Installation) -> None:
    """Find the run whose create was sent but never answered; send it again only when it is surely absent."""
    now = timezone.now()
    seconds = settings.JOB_LEASE_SECONDS + TIMEOUTS_PER_LOOK * settings.PROVIDER_TIMEOUT_SECONDS
    job.record(now=now, lease_until=now + timedelta(seconds=seconds))
    found = _find_own_runs(job, provider, installation)
    if found:
        # What else there is, the check for duplicates cancels.
        _accept(job, found[0], dup_check_at=now)
        return
    job.record(now=now, looks_without_match=job.looks_without_match + 1)
    sent_at = job.create_intent_at or now
    settled = now >= sent_at + timedelta(seconds=settings.CREATE_SETTLE_SECONDS)
    if not settled or job.looks_without_match < LOOKS_BEFORE_RESEND:
        return
    if job.cancel_requested_at:
        message = "Cancelled; the provider never had it."
        job.move_to(Status.CANCELLED, message=message, now=now, cancelled_at=now)
        return
    _create(job, provider, installation)


def _find_own_runs(job: Job, provider: Provider, installation: Installation) -> Sequence[RemoteJob]:
    """The runs at the provider that this job asked for, oldest first. Others that claim so are reported."""
    found = provider.find_jobs(job.reference, training_file=job.training_file_id)
    for stranger in (remote for remote in found if not _is_own(job, remote, installation)):
        message = (
            f"The run {stranger.id} at the provider names this job, but it trains {stranger.base_model} on "
            f"{stranger.training_file}, or another organization or installation made it. It was left alone."
        )
        _tell_once(job, f"stranger:{stranger.id}", message)
    return [remote for remote in found if _is_own(job, remote, installation)]


def _is_own(job: Job, remote: RemoteJob, installation: Installation) -> bool:
    """Whether a run is what this job asked for. Whoever shares the project can write any metadata."""
    return (
        remote.reference in {None, job.reference}
        and remote.organization in {None, str(job.organization_id)}
        and remote.installation in {None, str(installation)}
        and remote.training_file == job.training_file_id
        and _is_same_model(remote.base_model, job.start_model or job.base_model)
    )


def _is_same_model(vendors: str, ours: str) -> bool:
    """Providers resolve aliases and spell names anew, so only two different known models are different."""
    known = find_base_model(vendors), find_base_model(ours)
    return None in known or known[0] == known[1]


def look_for_duplicates(job: Job, provider: Provider) -> None:
    """Cancel every run but the job's own, and say so on the job. Raises ProviderError."""
    found = _find_own_runs(job, provider, own_installation())
    for extra in (remote for remote in found if remote.id != job.provider_job_id):
        done = "it had ended" if extra.status in ENDED else "it was cancelled"
        if extra.status not in ENDED:
            ask_to_cancel(provider, extra.id)
        logger.error("job %s was made twice at the provider: %s, %s", job.pk, extra.id, done)
        message = f"The provider made a second run of this job, {extra.id}; {done}. It may have cost money."
        _tell_once(job, f"duplicate:{extra.id}", message)


def next_duplicate_check(job: Job, now: datetime) -> datetime | None:
    """When to look again; None when enough time has passed since the create."""
    sent_at = job.create_intent_at or job.created_at
    return next((sent_at + wait for wait in DUPLICATE_CHECKS if sent_at + wait > now), None)


def ask_to_cancel(provider: Provider, remote_id: str) -> RemoteJob:
    """Cancel the run and return how it stands. Raises ProviderError."""
    try:
        return provider.cancel_job(remote_id)
    except ProviderRefused:
        # It ended before the request arrived: its own last word counts.
        return provider.get_job(remote_id)


def _tell_once(
    job: Job, key: str, message: str, *, event_type: str = "duplicate", level: str = "error"
) -> None:
    event = JobEvent(
        job=job, event_type=event_type, level=level, message=message, provider_event_id=key[:200]
    )
    JobEvent.objects.bulk_create([event], ignore_conflicts=True)
