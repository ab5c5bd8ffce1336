"""Tasks around the services of the same names."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from finetuning.log_context import note
from finetuning.models import ProviderAccount, ProviderNotice
from jobs import polling, services
from jobs.models import Job

# More than this are left for the next sweep, so that a slow worker does not drown in messages.
SWEEP_SIZE = 500
# Providers send a webhook again for three days.
NOTICES_KEPT_FOR = timedelta(days=7)


@shared_task
def advance_job(*, job_id: str, **_: Any) -> None:
    job = Job.objects.select_related("provider_account", "dataset").get(pk=job_id)
    note(organization_id=job.organization_id)
    services.advance_job(job)


@shared_task
def check_for_duplicates(*, job_id: str, **_: Any) -> None:
    job = Job.objects.select_related("provider_account").get(pk=job_id)
    note(organization_id=job.organization_id)
    services.check_for_duplicates(job)


@shared_task
def poll_account(*, account_id: str, **_: Any) -> None:
    account = ProviderAccount.objects.get(pk=account_id)
    note(organization_id=account.organization_id)
    polling.poll_account(account)


@shared_task
def advance_due_jobs(**_: Any) -> None:
    """Ring for everything that is due. Needs nothing but the rows.

    Accounts with many jobs are polled as a whole; the other jobs one by one, each organization in its turn.
    """
    now = timezone.now()
    polling.hold_jobs(now)
    busy = polling.busy_accounts(now)
    for account_id in busy:
        poll_account.apply_async(
            kwargs={"account_id": str(account_id)}, expires=settings.POLL_INTERVAL_SECONDS
        )
    listed = Job.objects.watched().filter(provider_account__in=busy)
    due = Job.objects.due(now).exclude(pk__in=listed.values("pk")).in_turn()
    ring(due.values_list("pk", flat=True)[:SWEEP_SIZE])
    for job_id in Job.objects.duplicate_checks_due(now).values_list("pk", flat=True)[:SWEEP_SIZE]:
        check_for_duplicates.apply_async(
            kwargs={"job_id": str(job_id)}, expires=settings.POLL_INTERVAL_SECONDS
        )


def ring(job_ids: Iterable[UUID]) -> None:
    """Let each of these jobs take its next step by itself."""
    for job_id in job_ids:
        advance_job.apply_async(kwargs={"job_id": str(job_id)}, expires=settings.POLL_INTERVAL_SECONDS)


@shared_task
def delete_old_notices(**_: Any) -> None:
    ProviderNotice.objects.filter(received_at__lt=timezone.now() - NOTICES_KEPT_FOR).delete()
