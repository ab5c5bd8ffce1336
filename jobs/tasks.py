"""Tasks around the services of the same names."""

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from jobs import services
from jobs.models import Job

# More than this are left for the next sweep, so that a slow worker does not drown in messages.
SWEEP_SIZE = 500


@shared_task
def advance_job(*, job_id: str, **_: Any) -> None:
    services.advance_job(Job.objects.select_related("provider_account", "dataset").get(pk=job_id))


@shared_task
def advance_due_jobs(**_: Any) -> None:
    """Ring for every job whose next step is due. Needs nothing but the rows."""
    due = Job.objects.due(timezone.now()).values_list("pk", flat=True)[:SWEEP_SIZE]
    for job_id in due:
        advance_job.apply_async(kwargs={"job_id": str(job_id)}, expires=settings.POLL_INTERVAL_SECONDS)
