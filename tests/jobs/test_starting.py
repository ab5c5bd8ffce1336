"""Nothing is trained twice: intents, looks, strangers, duplicates, restored and copied databases."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from datasets.models import Dataset
from finetuning.models import Installation
from finetuning.providers import get_provider
from finetuning.providers.base import TrainingRun
from finetuning.sandbox.faults import Fault
from jobs import services, starting, tasks
from jobs.locks import only_creator
from jobs.models import Job, LeaseLost
from jobs.states import Status
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)
CREATE = "POST /fine_tuning/jobs"


def due_for_a_duplicate_check(job):
    Job.objects.filter(pk=job.pk).update(dup_check_at=timezone.now())
    job.refresh_from_db()


def put_back(job, **columns):
    """Give the row earlier values, as restoring a backup does: past the trigger that lets no job go back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Job.objects.filter(pk=job.pk).update(**columns)


def create_again(job, **columns):
    """What the job asked for, or something like it, made once more at the provider."""
    run = {
        "reference": job.reference,
        "organization": str(job.organization_id),
        "installation": str(Installation.load()),
        "base_model": job.base_model,
        "training_file": job.training_file_id,
    }
    return get_provider(job.provider_account).create_job(TrainingRun(**run | columns))


def statuses(sandbox):
    return {run["id"]: run["status"] for run in sandbox.ledger()["jobs"]}


def move(installation):
    """As if the database had been restored elsewhere."""
    installation.place = "another cluster"
    installation.save()


def test_waits_while_the_dataset_is_being_read_again(job, sandbox):
    Dataset.objects.filter(pk=job.dataset_id).update(status="processing")

    services.advance_job(job)

    job.refresh_from_db()
    assert (job.status, job.training_file_id) == (Status.VALIDATING, "")
    assert "being checked again" in job.events.latest("created_at").message
    assert sandbox.ledger()["jobs"] == []

    Dataset.objects.filter(pk=job.dataset_id).update(status="valid")
    advance(job, sandbox)

    assert len(sandbox.ledger()["jobs"]) == 1


def test_sends_no_data_in_which_errors_were_found_meanwhile(job, sandbox):
    Dataset.objects.filter(pk=job.dataset_id).update(status="invalid")

    advance(job, sandbox)

    assert (job.status, job.error_code) == (Status.FAILED, "dataset_not_trainable")
    assert "has errors" in job.error_message
    assert sandbox.ledger()["jobs"] == []


def test_sends_nothing_that_was_read_again_meanwhile(job, sandbox, monkeypatch):
    write = starting.write_training_files

    def written_while_it_is_read(dataset, **options):
        Dataset.objects.filter(pk=dataset.pk).update(validated_at=timezone.now())
        return write(dataset, **options)

    monkeypatch.setattr(starting, "write_training_files", written_while_it_is_read)
    services.advance_job(job)

    job.refresh_from_db()
    assert (job.status, job.training_file_id) == (Status.VALIDATING, "")


def test_goes_on_when_the_worker_dies_while_it_writes_down_the_run(job, sandbox):
    class Died(BaseException):
        """Stands for SIGKILL, after which nothing of this process runs."""

    def die_at_the_event(execute, sql, params, many, context):
        if "accepted the job" in str(params):
            raise Died
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die_at_the_event), pytest.raises(Died):
        services.advance_job(job)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now())
    advance(job, sandbox, seconds=100_000, times=2)

    assert job.status == Status.SUCCEEDED
    assert len(sandbox.ledger()["jobs"]) == 1


def test_tells_the_provider_whose_run_it_is(job, sandbox):
    advance(job, sandbox)

    assert sandbox.ledger()["jobs"][0]["metadata"] == {
        "ft_job": str(job.pk),
        "ft_org": str(job.organization_id),
        "ft_env": str(Installation.load()),
        "ft_attempt": "1",
    }


def test_looks_for_no_duplicate_of_a_create_that_was_answered(job, sandbox):
    advance(job, sandbox)

    assert job.dup_check_at is None


def test_looks_for_a_duplicate_after_a_lost_answer(job, sandbox):
    sandbox.fail(Fault(kind="drop_after", route=CREATE, times=1))

    advance(job, sandbox, times=2)

    assert job.status == Status.QUEUED
    assert job.dup_check_at is not None


def test_cancels_the_run_that_turns_up_late_and_says_so_once(job, sandbox):
    advance(job, sandbox)
    extra = create_again(job)
    due_for_a_duplicate_check(job)

    services.check_for_duplicates(job)
    due_for_a_duplicate_check(job)
    services.check_for_duplicates(job)

    assert statuses(sandbox)[extra.id] == "cancelled"
    assert statuses(sandbox)[job.provider_job_id] != "cancelled"
    assert job.events.filter(event_type="duplicate", message__contains=extra.id).count() == 1


def test_cancels_the_run_of_a_job_that_had_been_given_up(job, sandbox, user):
    advance(job, sandbox)
    Job.objects.filter(pk=job.pk).update(provider_job_id=None, next_check_at=None, status=Status.CANCELLED)
    due_for_a_duplicate_check(job)

    services.check_for_duplicates(job)

    assert set(statuses(sandbox).values()) == {"cancelled"}


def test_leaves_the_run_alone_that_the_job_has_not_found_yet(job, sandbox):
    sandbox.fail(Fault(kind="drop_after", route=CREATE, times=1))
    advance(job, sandbox)
    due_for_a_duplicate_check(job)

    services.check_for_duplicates(job)

    assert "cancelled" not in statuses(sandbox).values()


def test_checks_again_later_and_at_last_no_more(job, sandbox):
    advance(job, sandbox)
    seen = []
    for age in (timedelta(minutes=3), timedelta(hours=1), timedelta(days=6), timedelta(days=8)):
        Job.objects.filter(pk=job.pk).update(create_intent_at=timezone.now() - age)
        due_for_a_duplicate_check(job)

        services.check_for_duplicates(job)

        job.refresh_from_db()
        seen.append(job.dup_check_at and job.dup_check_at - job.create_intent_at)

    assert seen == [timedelta(minutes=10), timedelta(days=1), timedelta(days=7), None]


def test_puts_the_check_off_while_the_provider_is_down(job, sandbox, settings):
    advance(job, sandbox)
    due_for_a_duplicate_check(job)
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    services.check_for_duplicates(Job.objects.get(pk=job.pk))

    job.refresh_from_db()
    assert job.dup_check_at > timezone.now()


def test_the_sweep_rings_for_a_check_that_is_due(job, sandbox, monkeypatch):
    advance(job, sandbox)
    due_for_a_duplicate_check(job)
    rung = []
    monkeypatch.setattr(
        tasks.check_for_duplicates, "apply_async", lambda kwargs, **_: rung.append(kwargs["job_id"])
    )

    tasks.advance_due_jobs()

    assert rung == [str(job.pk)]


@pytest.mark.parametrize(
    "lie",
    [
        {"organization": "another"},
        {"installation": "another"},
        {"base_model": "gpt-4o-mini-2024-07-18"},
        {"reference": "another"},
    ],
)
def test_adopts_no_run_that_is_not_what_was_asked_for(job, sandbox, lie):
    advance(job, sandbox)
    own = job.provider_job_id
    get_provider(job.provider_account).cancel_job(own)
    with sandbox.app.sandbox.store.write() as db:
        db.execute("DELETE FROM jobs")
    stranger = create_again(job, **lie)
    put_back(job, provider_job_id=None, status=Status.VALIDATING)

    advance(job, sandbox)

    assert job.provider_job_id is None
    assert job.events.filter(event_type="duplicate", message__contains=stranger.id).count() == 1
    assert statuses(sandbox)[stranger.id] != "cancelled"


def test_sends_again_only_after_the_settling_time_and_three_looks(job, sandbox, settings):
    settings.CREATE_SETTLE_SECONDS = 0
    sandbox.fail(Fault(kind="drop", route=CREATE, times=1))
    advance(job, sandbox)

    seen = []
    for _ in range(3):
        advance(job, sandbox)
        seen.append(job.status)

    assert seen == [Status.VALIDATING, Status.VALIDATING, Status.QUEUED]
    assert job.create_attempts == 2
    assert job.dup_check_at is not None


def test_only_one_worker_creates_while_another_is_paused(job):
    with only_creator(job), pytest.raises(LeaseLost), only_creator(job):
        pass

    with only_creator(job):
        pass


def test_waits_for_the_paused_worker_that_holds_the_lock(job, sandbox):
    with only_creator(job):
        advance(job, sandbox)

    assert job.provider_job_id is None
    assert sandbox.ledger()["jobs"] == []


def test_sends_nothing_when_it_slept_since_the_intent(job, sandbox, settings):
    settings.JOB_LEASE_SECONDS = settings.PROVIDER_TIMEOUT_SECONDS - 1

    advance(job, sandbox)

    assert job.create_intent_at is not None
    assert sandbox.ledger()["jobs"] == []


def test_starts_nothing_in_a_database_that_was_restored_elsewhere(job, sandbox):
    move(Installation.load())

    advance(job, sandbox)

    assert sandbox.ledger()["jobs"] == []
    assert "confirm_installation" in job.events.filter(event_type="error").get().message
    assert job.is_active
    assert job.provider_account.paused_until is None


def test_cancels_nothing_from_a_database_that_was_restored_elsewhere(job, sandbox, user):
    advance(job, sandbox)
    move(Installation.load())

    services.cancel_job(job, by=user)
    advance(job, sandbox)

    assert "cancelled" not in statuses(sandbox).values()


def test_a_restored_database_adopts_the_runs_that_were_made_after_the_backup(job, sandbox):
    advance(job, sandbox)
    made = job.provider_job_id
    put_back(job, provider_job_id=None, training_file_id="", create_intent_at=None, status=Status.PENDING)
    move(Installation.load())

    call_command("confirm_installation", "--restored")
    advance(job, sandbox)

    assert job.provider_job_id == made


def test_a_copied_database_leaves_the_unfinished_jobs_to_the_original(job, sandbox):
    advance(job, sandbox)
    original = Installation.load()
    move(original)

    call_command("confirm_installation", "--copied")

    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "copied_database")
    assert "cancelled" not in statuses(sandbox).values()
    assert Installation.load().identifier != original.identifier


def test_knows_its_own_place_again():
    assert not Installation.load().is_quarantined

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM installation")
        assert cursor.fetchone() == (1,)


def test_looks_seldom_after_a_run_whose_workers_die(job, sandbox):
    advance(job, sandbox)
    Job.objects.filter(pk=job.pk).update(attempts=services.MAX_ATTEMPTS)
    job.claim(now=timezone.now(), until=timezone.now())

    assert services._is_spared(job, now=timezone.now())

    job.refresh_from_db()
    assert job.is_active
    assert job.next_check_at > timezone.now() + timedelta(minutes=29)
