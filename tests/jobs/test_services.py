from datetime import timedelta

import pytest
from django.utils import timezone

from finetuning.models import ProviderAccount
from finetuning.sandbox.faults import Fault
from jobs import planning, services, tasks
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel
from tests.factories import DatasetFactory, JobFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)


def test_accepts_a_job_with_its_price(job):
    assert job.status == Status.PENDING
    assert job.base_model == "gpt-4.1-mini-2025-04-14"
    assert job.estimated_cost_usd is not None
    assert job.events.get().message == "Job accepted."


def test_a_job_becomes_one_model(job, sandbox):
    advance(job, sandbox, seconds=60, times=6)

    assert job.status == Status.SUCCEEDED
    assert job.trained_tokens > 0
    model = FineTunedModel.objects.get()
    assert model.job == job
    assert model.provider_model_id.startswith("ft:gpt-4.1-mini-2025-04-14:sandbox:")


def test_advancing_a_finished_job_changes_nothing(job, sandbox):
    advance(job, sandbox, seconds=60, times=6)
    before = job.events.count()

    advance(job, sandbox, seconds=60)

    assert job.events.count() == before
    assert FineTunedModel.objects.count() == 1


def test_keeps_each_event_of_the_provider_once(job, sandbox):
    advance(job, sandbox, seconds=5, times=20)

    ids = list(job.events.exclude(provider_event_id=None).values_list("provider_event_id", flat=True))

    assert len(ids) == len(set(ids)) > 0


def test_starts_again_where_a_dead_worker_stopped(job, sandbox):
    now = timezone.now()
    job.claim(now=now - timedelta(hours=1), until=now - timedelta(minutes=50))

    advance(job, sandbox, seconds=0)

    assert job.status == Status.QUEUED
    assert job.attempts == 0


def test_adopts_the_run_whose_answer_was_lost(job, sandbox):
    sandbox.fail(Fault(kind="drop_after", route="POST /fine_tuning/jobs", times=1))
    advance(job, sandbox, seconds=0)
    assert job.provider_job_id is None

    advance(job, sandbox, seconds=0)

    assert job.provider_job_id is not None
    assert sandbox.ledger()["totals"]["creates"] == 1


def test_does_not_send_a_lost_create_again_too_early(job, sandbox, settings):
    settings.CREATE_SETTLE_SECONDS = 600
    Job.objects.filter(pk=job.pk).update(
        status=Status.VALIDATING, training_file_id="file-none", create_intent_at=timezone.now()
    )

    advance(job, sandbox, seconds=1, times=5)

    assert job.provider_job_id is None
    assert job.status == Status.VALIDATING


def test_waits_while_the_provider_is_down(job, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    services.advance_job(job)
    job.refresh_from_db()

    assert job.is_active
    assert job.retries == 1
    assert job.next_check_at > timezone.now()
    assert job.events.filter(event_type="error").count() == 1


def test_fails_with_the_providers_words_when_the_key_is_refused(job, account):
    account.set_api_key("sk-refused")
    account.save()

    services.advance_job(Job.objects.get(pk=job.pk))
    job.refresh_from_db()

    assert job.status == Status.FAILED
    assert job.error_message


def test_cancels_at_once_what_the_provider_has_not_heard_of(job, user):
    services.cancel_job(job, by=user)

    assert job.status == Status.CANCELLED
    assert job.next_check_at is None


def test_asks_the_provider_to_cancel_a_run(job, user, sandbox):
    advance(job, sandbox, seconds=0)

    services.cancel_job(job, by=user)
    advance(job, sandbox, seconds=0)

    assert job.status == Status.CANCELLED


def test_refuses_to_cancel_a_finished_job(user):
    job = JobFactory(status=Status.SUCCEEDED)

    with pytest.raises(services.JobAlreadyFinished):
        services.cancel_job(job, by=user)


def test_gives_up_a_job_whose_worker_dies_every_time(job):
    Job.objects.filter(pk=job.pk).update(attempts=services.MAX_ATTEMPTS)

    services.advance_job(job)
    job.refresh_from_db()

    assert (job.status, job.error_code) == (Status.FAILED, "poison")


@pytest.mark.parametrize("status", ["processing", "invalid"])
def test_refuses_a_dataset_that_is_not_valid(organization, user, account, status):
    dataset = DatasetFactory(organization=organization, status=status)

    with pytest.raises(planning.DatasetNotTrainable):
        services.create_job(organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini")

    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("base_model", "refusal"),
    [("gpt-99", planning.UnknownBaseModel), ("gpt-3.5-turbo-1106", planning.BaseModelRetired)],
)
def test_refuses_a_base_model_that_cannot_be_trained(
    organization, user, account, dataset, base_model, refusal
):
    with pytest.raises(refusal):
        services.create_job(organization, by=user, name="x", dataset=dataset, base_model=base_model)

    assert not Job.objects.exists()


def test_refuses_a_split_that_leaves_too_few_examples(organization, user, account, dataset):
    with pytest.raises(planning.TooFewExamples):
        services.create_job(
            organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini", validation_split=0.5
        )


def test_refuses_a_provider_that_the_organization_does_not_have(organization, user, account, dataset):
    with pytest.raises(planning.UnknownProvider):
        services.create_job(
            organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini", provider="azure"
        )


def test_says_so_when_there_is_no_provider_at_all(organization, user, dataset):
    with pytest.raises(planning.NoProviderAccount):
        services.create_job(organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini")


def test_the_price_is_tokens_times_epochs_times_price(account, dataset):
    estimate = planning.estimate_cost(
        dataset, offer=planning.trainable_offer(account, "gpt-4.1-mini"), epochs=2
    )

    assert estimate.epochs == 2
    assert estimate.training_tokens in (120, 240)


def test_does_not_know_the_price_of_a_model_that_only_the_account_offers(account, dataset):
    ProviderAccount.objects.filter(pk=account.pk).update(base_models=["Qwen/Qwen3-32B"])
    account.refresh_from_db()

    estimate = planning.estimate_cost(dataset, offer=planning.trainable_offer(account, "Qwen/Qwen3-32B"))

    assert estimate.training_usd is None


def test_the_sweep_rings_for_due_jobs_only(monkeypatch):
    due = JobFactory()
    JobFactory(next_check_at=timezone.now() + timedelta(hours=1))
    rung = []
    monkeypatch.setattr(tasks.advance_job, "apply_async", lambda kwargs, **_: rung.append(kwargs["job_id"]))

    tasks.advance_due_jobs()

    assert rung == [str(due.pk)]
