import pytest

from datasets import services as datasets
from jobs import services
from jobs.models import Job
from models_registry import services as registry
from models_registry.models import FineTunedModel
from tests.factories import DatasetFactory, FineTunedModelFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(organization, user, provider_account, sandbox):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    dataset = DatasetFactory(organization=organization, examples=12)
    return services.create_job(organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini")


def test_two_workers_make_one_run(job):
    at_once(*[lambda: services.advance_job(Job.objects.get(pk=job.pk))] * 8)

    job.refresh_from_db()
    assert job.events.filter(message__startswith="The provider accepted").count() == 1
    assert job.attempts == 0


def test_two_syncs_at_the_end_make_one_model(job, sandbox):
    for _ in range(4):
        services.advance_job(job)
    sandbox.clock.advance(600)

    at_once(*[lambda: services.sync_job(Job.objects.get(pk=job.pk))] * 8)
    services.advance_job(Job.objects.get(pk=job.pk))

    assert FineTunedModel.objects.filter(job=job).count() == 1


def test_cancelling_and_starting_agree(job, user):
    at_once(
        lambda: services.advance_job(Job.objects.get(pk=job.pk)),
        lambda: services.cancel_job(Job.objects.get(pk=job.pk), by=user),
    )

    for _ in range(3):
        services.advance_job(Job.objects.get(pk=job.pk))

    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_dataset_is_not_deleted_under_a_new_job(organization, user, provider_account, sandbox):
    dataset = DatasetFactory(organization=organization, examples=12)

    def create():
        return services.create_job(
            organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini"
        )

    at_once(create, lambda: datasets.delete_dataset(dataset))

    dataset.refresh_from_db()
    assert (dataset.deleted_at is None) == Job.objects.exists()


def test_counts_every_one_of_50_parallel_calls():
    model = FineTunedModelFactory()

    def call():
        registry.record_usage(
            FineTunedModel.objects.get(pk=model.pk), prompt_tokens=2, completion_tokens=3, latency_ms=10
        )

    at_once(*[call] * 50)

    model.refresh_from_db()
    assert (model.total_requests, model.total_tokens_used, model.average_latency_ms) == (50, 250, 10.0)


def test_deploying_twice_at_once_counts_once():
    model = FineTunedModelFactory()

    at_once(*[lambda: registry.deploy_model(FineTunedModel.objects.get(pk=model.pk))] * 6)

    model.refresh_from_db()
    assert (model.deployed, model.deployment_count) == (True, 1)
