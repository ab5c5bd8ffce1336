from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from jobs.models import IllegalMove, Job, LeaseLost
from jobs.states import TRANSITIONS, Status
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
PAIRS = [(a, b) for a in Status for b in Status]


def finished_columns(status):
    return {"progress_percentage": 100} if status == Status.SUCCEEDED else {}


@pytest.mark.parametrize(("start", "to"), PAIRS)
def test_moves_only_along_the_table(start, to):
    job = JobFactory(status=start)

    if to in TRANSITIONS[start]:
        job.move_to(to, message="moved", now=NOW, **finished_columns(to))
    else:
        with pytest.raises(IllegalMove):
            job.move_to(to, message="moved", now=NOW, **finished_columns(to))

    job.refresh_from_db()
    assert job.status == (to if to in TRANSITIONS[start] else start)
    assert job.events.filter(message="moved").exists() == (to in TRANSITIONS[start])


def test_a_stale_instance_cannot_move_a_job_again():
    job = JobFactory(status=Status.RUNNING)
    stale = Job.objects.get(pk=job.pk)
    job.move_to(Status.FAILED, message="first", now=NOW)

    with pytest.raises(IllegalMove):
        stale.move_to(Status.SUCCEEDED, message="second", now=NOW, progress_percentage=100)

    assert Job.objects.get(pk=job.pk).status == Status.FAILED


def test_has_no_next_check_when_finished():
    job = JobFactory(status=Status.RUNNING)

    job.move_to(Status.CANCELLED, message="", now=NOW)

    assert job.next_check_at is None
    assert job.lease_until is None


def test_the_database_refuses_a_finished_job_with_a_next_check():
    job = JobFactory(status=Status.RUNNING)

    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(status=Status.FAILED)


def test_only_one_claim_wins():
    job = JobFactory()
    rival = Job.objects.get(pk=job.pk)

    assert job.claim(now=NOW, until=LATER)
    assert not rival.claim(now=NOW, until=LATER)


def test_a_lease_that_has_run_out_can_be_claimed():
    job = JobFactory()
    job.claim(now=NOW, until=LATER)
    rival = Job.objects.get(pk=job.pk)

    assert rival.claim(now=LATER, until=LATER + timedelta(minutes=2))
    assert rival.attempts == 2


def test_records_nothing_once_the_lease_went_to_another_worker():
    job = JobFactory()
    job.claim(now=NOW, until=LATER)
    Job.objects.get(pk=job.pk).claim(now=LATER, until=LATER + timedelta(minutes=2))

    with pytest.raises(LeaseLost):
        job.record(now=LATER, provider_job_id="ftjob-late")

    assert Job.objects.get(pk=job.pk).provider_job_id is None


def test_does_not_take_over_another_workers_lease_by_reading_the_row_again():
    job = JobFactory(status=Status.QUEUED)
    job.claim(now=NOW, until=LATER)
    rival = Job.objects.get(pk=job.pk)
    rival.claim(now=LATER, until=LATER + timedelta(minutes=2))
    job.move_to(Status.RUNNING, message="", now=LATER)

    job.release(next_check_at=LATER)

    assert Job.objects.get(pk=job.pk).lease_owner == rival.lease_owner


def test_progress_never_goes_backwards():
    job = JobFactory(status=Status.RUNNING)
    job.record_progress(percentage=60, now=NOW)

    job.record_progress(percentage=40, now=NOW)

    assert job.progress_percentage == 60


def test_keeps_the_last_percent_for_success():
    job = JobFactory(status=Status.RUNNING)

    job.record_progress(percentage=100, now=NOW)

    assert job.progress_percentage == 99.9


def test_a_provider_job_belongs_to_one_job_only():
    job = JobFactory(provider_job_id="ftjob-1")

    with pytest.raises(IntegrityError), transaction.atomic():
        JobFactory(
            organization=job.organization, provider_account=job.provider_account, provider_job_id="ftjob-1"
        )


def test_finds_due_jobs_that_nobody_holds():
    due = JobFactory(next_check_at=NOW)
    JobFactory(next_check_at=LATER)
    JobFactory(next_check_at=NOW, lease_until=LATER)
    JobFactory(status=Status.FAILED)

    assert list(Job.objects.due(NOW)) == [due]
