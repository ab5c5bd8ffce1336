"""Webhooks of providers: doorbells. They say that a run has news; what the news is, the run itself tells."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from finetuning.models import ProviderAccount
from finetuning.providers.webhooks import read_notice
from finetuning.queueing import queue_on_commit
from jobs import tasks

OF_A_JOB = "fine_tuning.job."


@transaction.atomic(durable=True)
def take_notice(account: ProviderAccount, body: bytes, headers: Mapping[str, str]) -> None:
    """Make the job due that the notice is about, if the account has it and it has not ended.

    Repetitions, and notices about anything else, have no effect. Raises NoticeRefused.
    """
    notice = read_notice(body, headers, secrets=account.webhook_secrets)
    _, is_new = account.notices.get_or_create(webhook_id=notice.id)
    if not is_new or not notice.type.startswith(OF_A_JOB):
        return
    job = account.jobs.active().filter(provider_job_id=notice.subject).first()
    if job is not None:
        job.make_due(now=timezone.now())
        queue_on_commit(tasks.advance_job, job_id=str(job.pk))
