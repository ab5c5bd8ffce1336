"""What an owner can do with a run: let it wait, let it go on, and choose among what it kept on the way."""

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Conflict
from finetuning.models import User
from finetuning.providers import get_provider
from finetuning.providers.base import Provider, ProviderError, ProviderRefused, RemoteJob
from jobs import services, starting
from jobs.models import IllegalMove, Job
from jobs.states import Status
from models_registry import services as registry


class NoModel(Conflict):
    code = "no_model"


class CannotPause(Conflict):
    code = "cannot_pause"


def use_checkpoint(job: Job, *, model_id: str) -> Job:
    """Let the job's model answer by the checkpoint with this id at the provider.

    Raises NoModel, UnknownCheckpoint or ModelNotActive.
    """
    model = job.organization.fine_tuned_models.filter(job=job).first()
    if model is None:
        raise NoModel("The job has no model, or it was deleted.")
    registry.use_checkpoint(model, provider_model_id=model_id)
    return job


def force_cancel_job(job: Job, *, by: User) -> Job:
    """End the job here although the provider may not have stopped the run, or does not answer at all.

    The provider is asked to stop it all the same, once. Raises JobAlreadyFinished.
    """
    now, told = timezone.now(), _ask_to_stop(job)
    try:
        with transaction.atomic(), audit.changing(job, "job.force_cancelled"):
            message = f"Ended by the operator {by.display_name}. {told}"
            job.move_to(Status.CANCELLED, message=message, now=now, cancelled_at=now)
    except IllegalMove as error:
        raise services.JobAlreadyFinished(f"The job has already ended: {job.status}.") from error
    return job


def _ask_to_stop(job: Job) -> str:
    """How the provider took it that the run is to be stopped, in words."""
    if job.is_finished or job.provider_job_id is None:
        return "The provider was not asked to stop anything: it has no run that is known."
    try:
        starting.own_installation()
        get_provider(job.provider_account).cancel_job(job.provider_job_id)
    except ProviderError as error:
        return f"The run {job.provider_job_id} may go on, and cost: {error.message}"
    return f"The provider was asked to stop the run {job.provider_job_id}."


def pause_job(job: Job) -> Job:
    """Ask the provider to let the run wait. Raises CannotPause, ProviderDidNotAnswer."""
    return _ask_provider(job, "job.paused", lambda provider, remote_id: provider.pause_job(remote_id))


def resume_job(job: Job) -> Job:
    """Ask the provider to let a paused run go on. Raises CannotPause, ProviderDidNotAnswer."""
    return _ask_provider(job, "job.resumed", lambda provider, remote_id: provider.resume_job(remote_id))


def _ask_provider(job: Job, action: str, request: Callable[[Provider, str], RemoteJob]) -> Job:
    """Send `request` for a run, and record how it then stands."""
    if not job.provider_account.capabilities.pauses:
        raise CannotPause("Providers of this kind do not pause runs. Cancel the job, or let it go on.")
    if job.status != Status.RUNNING or job.provider_job_id is None:
        raise CannotPause(f"Only a job that is being trained can be paused; this one is {job.status}.")
    try:
        starting.own_installation()
        provider = get_provider(job.provider_account)
        remote = request(provider, job.provider_job_id)
    except ProviderRefused as refusal:
        raise CannotPause(f"The provider says: {refusal.message}") from refusal
    except ProviderError as error:
        raise services.ProviderDidNotAnswer(error.message) from error
    audit.record(action, job)
    services.record_status(job, provider, remote)
    return job
