"""What operators can do with a job whose provider does not do its part."""

import pytest
from django.test import Client
from django.urls import reverse

from finetuning.models import AuditEntry
from jobs import services, steering
from jobs.models import Job
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db):
    return UserFactory(email="operator@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def job(organization, provider_account):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    return JobFactory(
        organization=organization,
        provider_account=provider_account,
        status="running",
        provider_job_id="ftjob-lost",
    )


def test_ends_a_job_whose_provider_does_not_answer(job, operator, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    steering.force_cancel_job(job, by=operator)

    job = Job.objects.get(pk=job.pk)
    event = job.events.newest_first().first()
    assert (job.status, job.next_check_at) == ("cancelled", None)
    assert "Ended by the operator operator@example.com" in event.message
    assert "ftjob-lost may go on, and cost" in event.message
    assert AuditEntry.objects.get(action="job.force_cancelled").changes["status"] == ["running", "cancelled"]


def test_asks_the_provider_to_stop(sandbox, job, operator):
    steering.force_cancel_job(job, by=operator)

    # The sandbox knows no such run, and says so.
    assert "may go on" in job.events.newest_first().first().message


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


def test_is_an_action_of_the_admin(job, operator, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    client = Client()
    client.force_login(operator)

    client.post(
        reverse("admin:jobs_job_changelist"), {"action": "force_cancel", "_selected_action": [str(job.pk)]}
    )

    assert Job.objects.get(pk=job.pk).status == "cancelled"
    assert AuditEntry.objects.get(action="job.force_cancelled").actor == operator
