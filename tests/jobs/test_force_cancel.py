"""What operators can do with a job whose provider does not do its part."""

import pytest
from django.urls import reverse

from finetuning.models import AuditEntry
from jobs import services, steering
from jobs.models import Job
from tests.factories import JobFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db


@pytest.fixture
def lost(organization, provider_account):
    return JobFactory(
        organization=organization,
        provider_account=provider_account,
        status="running",
        provider_job_id="ftjob-lost",
    )


def test_ends_a_job_whose_provider_does_not_answer(lost, operator, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    steering.force_cancel_job(lost, by=operator)

    job = Job.objects.get(pk=lost.pk)
    event = job.events.newest_first().first()
    assert (job.status, job.next_check_at) == ("cancelled", None)
    assert "Ended by the operator operator@example.com" in event.message
    assert "ftjob-lost may go on, and cost" in event.message
    assert AuditEntry.objects.get(action="job.force_cancelled").changes["status"] == ["running", "cancelled"]


def test_asks_the_provider_to_stop(sandbox, job, operator):
    while not job.provider_job_id:
        advance(job, sandbox)

    steering.force_cancel_job(job, by=operator)

    assert sandbox.ledger()["totals"]["cancels"] == 1
    assert f"asked to stop the run {job.provider_job_id}" in job.events.newest_first().first().message


def test_says_that_the_provider_knows_no_such_run(sandbox, lost, operator):
    steering.force_cancel_job(lost, by=operator)

    assert sandbox.ledger()["totals"]["cancels"] == 0
    assert "may go on" in lost.events.newest_first().first().message


def test_ends_a_job_that_was_never_sent(organization, provider_account, operator):
    job = JobFactory(organization=organization, provider_account=provider_account)

    steering.force_cancel_job(job, by=operator)

    assert "no run that is known" in job.events.newest_first().first().message
    assert job.status == "cancelled"


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_refuses_a_job_that_has_ended(organization, operator, status):
    job = JobFactory(organization=organization, status=status)

    with pytest.raises(services.JobAlreadyFinished):
        steering.force_cancel_job(job, by=operator)


def test_is_an_action_of_the_admin(lost, operator, operator_client, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    operator_client.post(
        reverse("admin:jobs_job_changelist"), {"action": "force_cancel", "_selected_action": [str(lost.pk)]}
    )

    assert Job.objects.get(pk=lost.pk).status == "cancelled"
    assert AuditEntry.objects.get(action="job.force_cancelled").actor == operator
