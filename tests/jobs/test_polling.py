"""Many jobs of one account are watched through the provider's list, and a bad account delays nobody else."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from finetuning.models import ProviderAccount, providers
from finetuning.providers import get_provider
from finetuning.providers.base import TrainingRun
from finetuning.sandbox.faults import Fault
from jobs import polling, services, tasks
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel
from tests.factories import JobFactory, ProviderAccountFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "GET /fine_tuning/jobs"
EVENTS = "GET /fine_tuning/jobs/{job_id}/events"


@pytest.fixture
def rung(monkeypatch):
    """What the sweep rings for: a list of (task, id)."""
    rung = []
    for task in (tasks.advance_job, tasks.poll_account):
        monkeypatch.setattr(
            task,
            "apply_async",
            lambda kwargs, name=task.__name__, **_: rung.append((name, *kwargs.values())),
        )
    return rung


@pytest.fixture
def training(job, sandbox):
    """The job, running at the provider and due."""
    while job.status != Status.RUNNING:
        advance(job, sandbox, seconds=1)
    make_due()
    job.refresh_from_db()
    return job


def make_due():
    Job.objects.active().update(next_check_at=timezone.now())


def watch(account, training, count):
    """So many more jobs of the account, each with a run of its own that began a moment ago."""
    jobs = []
    for _ in range(count):
        run = get_provider(account).create_job(
            TrainingRun(
                reference="x", base_model=training.base_model, training_file=training.training_file_id
            )
        )
        jobs.append(
            JobFactory(
                organization=account.organization,
                dataset=training.dataset,
                provider_account=account,
                status=Status.QUEUED,
                provider_job_id=run.id,
                vendor_status=run.vendor_status,
                training_file_id=training.training_file_id,
            )
        )
    return jobs


def calls(sandbox, route):
    """How many requests the sandbox has answered on `route` since a fault that never strikes was set."""
    with sandbox.app.sandbox.store.read() as db:
        rows = db.execute("SELECT body, fitted FROM faults").fetchall()
    return next(row["fitted"] for row in rows if f'"{route}"'.encode() in bytes(row["body"]))


def count_calls(sandbox, *routes):
    sandbox.fail(*[Fault(kind="delay", route=route, skip=10**9) for route in routes])


def sees_all(jobs, since):
    return all(job.last_polled_at and job.last_polled_at >= since for job in jobs)


def refresh(jobs):
    return [Job.objects.get(pk=job.pk) for job in jobs]


def test_rings_once_for_all_jobs_of_a_busy_account(account, rung):
    jobs = JobFactory.create_batch(
        polling.FROM_SO_MANY_JOBS,
        organization=account.organization,
        provider_account=account,
        status=Status.RUNNING,
    )
    for number, job in enumerate(jobs):
        Job.objects.filter(pk=job.pk).update(provider_job_id=f"ftjob-{number}")

    tasks.advance_due_jobs()

    assert rung == [("poll_account", str(account.pk))]


def test_asks_about_each_job_where_there_are_few(account, rung):
    job = JobFactory(
        organization=account.organization,
        provider_account=account,
        status=Status.RUNNING,
        provider_job_id="ftjob-1",
    )

    tasks.advance_due_jobs()

    assert rung == [("advance_job", str(job.pk))]


def test_sees_every_job_with_one_request_per_page(account, training, sandbox):
    jobs = watch(account, training, 3)
    began = timezone.now()
    count_calls(sandbox, LIST, EVENTS)

    polling.poll_account(account)

    assert sees_all(refresh(jobs), began)
    only_one_is_running = 1
    assert (calls(sandbox, LIST), calls(sandbox, EVENTS)) == (1, only_one_is_running)


def test_needs_no_more_statements_for_more_unchanged_jobs(account, training, sandbox):
    def statements(count):
        watch(account, training, count)
        with CaptureQueriesContext(connection) as captured:
            polling.poll_account(ProviderAccount.objects.get(pk=account.pk))
        Job.objects.active().exclude(pk=training.pk).update(next_check_at=timezone.now())
        return len(captured)

    Job.objects.filter(pk=training.pk).update(next_check_at=timezone.now() + timedelta(days=1))

    assert statements(2) == statements(20)


def test_ends_the_jobs_that_the_list_shows_as_ended(account, training, sandbox):
    jobs = watch(account, training, 3)
    sandbox.clock.advance(600)

    polling.poll_account(account)

    assert {job.status for job in refresh([*jobs, training])} == {Status.SUCCEEDED}
    assert FineTunedModel.objects.count() == 4


def test_reads_the_events_of_running_jobs_in_turn(account, training, sandbox, monkeypatch):
    monkeypatch.setattr(polling, "EVENT_READS_PER_POLL", 1)
    other, *_ = watch(account, training, 1)
    Job.objects.filter(pk=other.pk).update(status=Status.RUNNING, vendor_status="running")
    sandbox.fail(Fault(kind="unknown_status", route=LIST, value="running"))
    count_calls(sandbox, EVENTS)
    before = {job.pk: job.events_read_at for job in refresh([other, training])}

    for _ in range(2):
        make_due()
        polling.poll_account(account)

    assert calls(sandbox, EVENTS) == 2
    assert all(job.events_read_at != before[job.pk] for job in refresh([other, training]))


def test_a_refused_look_at_the_log_ends_no_job(account, training, sandbox):
    sandbox.fail(Fault(kind="key_refused", route=EVENTS))

    polling.poll_account(account)

    training.refresh_from_db()
    assert (training.status, training.retries) == (Status.RUNNING, 1)


def test_asks_by_itself_about_a_job_that_the_list_does_not_show(account, training, sandbox, rung):
    missing, *_ = watch(account, training, 1)
    Job.objects.filter(pk=missing.pk).update(provider_job_id="ftjob-of-another-project")

    polling.poll_account(account)

    assert rung == [("advance_job", str(missing.pk))]
    assert Job.objects.due(timezone.now()).get() == missing


def test_asks_about_each_job_where_the_provider_has_no_list(account, training, sandbox, rung):
    jobs = watch(account, training, 2)
    sandbox.fail(Fault(kind="error", route=LIST, status=404))

    polling.poll_account(account)

    assert {pk for _, pk in rung} == {str(job.pk) for job in [*jobs, training]}


def test_puts_all_off_and_says_why_when_the_list_fails(account, training, sandbox):
    jobs = watch(account, training, 2)
    sandbox.fail(Fault(kind="error", route=LIST, status=503))

    polling.poll_account(account)

    for job in refresh(jobs):
        assert job.next_check_at > timezone.now()
        assert job.lease_until is None
        assert "does not answer as it should" in job.events.get(event_type="error").message


def test_leaves_a_job_to_the_worker_that_is_at_it(account, training, sandbox):
    held, *_ = watch(account, training, 1)
    now = timezone.now()
    held.claim(now=now, until=now + timedelta(minutes=2))

    polling.poll_account(account)

    assert refresh([held])[0].last_polled_at is None


def test_cancels_in_a_step_of_its_own(account, training, sandbox, user):
    services.cancel_job(training, by=user)

    polling.poll_account(account)

    training.refresh_from_db()
    assert training.status == Status.RUNNING
    assert training.pk not in Job.objects.watched().values_list("pk", flat=True)


def test_takes_turns_between_organizations(account, rung, monkeypatch):
    monkeypatch.setattr(tasks, "SWEEP_SIZE", 3)
    JobFactory.create_batch(5, organization=account.organization, provider_account=account)
    lonely = JobFactory(next_check_at=timezone.now())

    tasks.advance_due_jobs()

    assert ("advance_job", str(lonely.pk)) in rung[:2]


def test_a_thousand_jobs_of_one_organization_do_not_ring_a_thousand_times(
    organization, user, account, dataset, monkeypatch, rung
):
    monkeypatch.setattr(services, "RUNG_PER_ORGANIZATION", 2)

    for _ in range(4):
        services.create_job(organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini")

    assert len(rung) == 2


def test_pauses_an_account_that_does_not_answer_and_no_other(account, training, settings, rung):
    settings.POLL_INTERVAL_SECONDS = 60
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    for _ in range(providers.FAILURES_BEFORE_PAUSE):
        services.advance_job(Job.objects.get(pk=training.pk))
    Job.objects.filter(pk=training.pk).update(next_check_at=timezone.now())
    other = JobFactory()

    tasks.advance_due_jobs()

    training.refresh_from_db()
    assert rung == [("advance_job", str(other.pk))]
    assert training.next_check_at > timezone.now() + timedelta(seconds=20)
    assert "Trying again at" in training.events.newest_first()[0].message


def test_asks_nothing_of_a_paused_account(account, training, sandbox):
    pause(account, timezone.now() + timedelta(minutes=1))
    before = training.events.count()

    services.advance_job(Job.objects.get(pk=training.pk))

    training.refresh_from_db()
    assert training.events.count() == before
    assert training.next_check_at >= account.paused_until
    assert training.lease_until is None


def test_rests_half_an_interval_and_twice_as_long_each_time(account, settings):
    settings.POLL_INTERVAL_SECONDS = 60
    now = timezone.now()
    rests = []
    for _ in range(providers.FAILURES_BEFORE_PAUSE + 7):
        account.mark_failing("No answer.", now=now, retry_after=None)
        rests.append((account.paused_until - now).total_seconds() if account.paused_until else 0)

    assert rests[providers.FAILURES_BEFORE_PAUSE - 2 :] == [0, 30, 60, 120, 240, 480, 960, 1800, 1800]


def test_counts_calls_that_fail_together_as_one_cause(account, settings):
    settings.POLL_INTERVAL_SECONDS = 60
    now = timezone.now()
    callers = [ProviderAccount.objects.get(pk=account.pk) for _ in range(20)]
    for second, caller in enumerate(callers):
        caller.mark_failing("No answer.", now=now + timedelta(seconds=second), retry_after=None)

    account.refresh_from_db()
    fifth = now + timedelta(seconds=providers.FAILURES_BEFORE_PAUSE - 1)
    assert account.paused_until == fifth + timedelta(seconds=30)


def test_an_answer_ends_the_row_of_failures_of_all_workers(account):
    answered = ProviderAccount.objects.get(pk=account.pk)
    account.mark_failing("No answer.", now=timezone.now(), retry_after=None)

    answered.mark_answering()

    account.refresh_from_db()
    assert account.failures == 0


def pause(account, until):
    account.failures, account.paused_until = providers.FAILURES_BEFORE_PAUSE, until
    account.last_error = "No answer."
    account.save()


def test_lets_one_caller_through_when_a_pause_is_over(account):
    now = timezone.now()
    pause(account, now)

    admitted = [ProviderAccount.objects.get(pk=account.pk).admit(calls=1, now=now) for _ in range(3)]

    assert admitted == [True, False, False]


def test_goes_on_once_the_provider_answers_again(account, training, sandbox):
    pause(account, timezone.now())

    services.advance_job(Job.objects.get(pk=training.pk))

    account.refresh_from_db()
    assert (account.failures, account.paused_until) == (0, None)


def test_waits_as_long_as_the_provider_asks_for(account, training, sandbox):
    sandbox.fail(Fault(kind="error", status=429, retry_after="120", times=1))

    services.advance_job(Job.objects.get(pk=training.pk))

    account.refresh_from_db()
    assert account.paused_until > timezone.now() + timedelta(seconds=100)


def test_admits_no_more_calls_than_the_limit(settings):
    settings.PROVIDER_CALLS_PER_MINUTE = 10
    account = ProviderAccountFactory()
    now = timezone.now()

    admitted = [ProviderAccount.objects.get(pk=account.pk).admit(calls=2, now=now) for _ in range(8)]

    account.refresh_from_db()
    assert admitted == [True] * 6 + [False] * 2
    assert account.resumes_at(now) == now + timedelta(seconds=12)


def test_puts_a_job_off_beyond_the_limit_without_a_word(account, training, sandbox):
    before = training.events.count()
    account.calls_until = timezone.now() + timedelta(minutes=3)
    account.save()

    services.advance_job(Job.objects.get(pk=training.pk))

    training.refresh_from_db()
    assert training.next_check_at > timezone.now()
    assert (training.events.count(), training.attempts) == (before, 0)


def test_sync_says_why_a_paused_account_is_not_asked(account, training, sandbox):
    pause(account, timezone.now() + timedelta(minutes=1))

    with pytest.raises(services.ProviderDidNotAnswer, match="No answer"):
        services.sync_job(Job.objects.get(pk=training.pk))
