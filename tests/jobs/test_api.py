import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.states import Status
from tests.factories import (
    LONG_AGO,
    DatasetFactory,
    FineTunedModelFactory,
    JobFactory,
    ProviderAccountFactory,
)

pytestmark = pytest.mark.django_db
JOBS = "/api/fine-tuning/jobs"
BASE_MODEL = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def dataset(organization, provider_account, settings):
    settings.SANDBOX_URL = "http://sandbox.invalid"
    return DatasetFactory(organization=organization, examples=20)


def test_creates_a_job_with_its_price(api, dataset, user):
    order = {
        "name": "Support",
        "datasetId": str(dataset.pk),
        "baseModel": BASE_MODEL,
        "hyperparameters": {"n_epochs": 3, "learning_rate_multiplier": 1.8},
        "validationSplit": 0.1,
        "suffix": "desk",
        "seed": 7,
    }

    answer = api.post(JOBS, order)

    body = answer.json()
    assert answer.status_code == 201
    assert {name: body[name] for name in order} == order
    assert (body["status"], body["estimatedCostUsd"], body["provider"]) == ("pending", 0.0, "sandbox")
    assert body["dataset"] == {"id": str(dataset.pk), "name": dataset.name, "totalExamples": 20}
    assert api.get(f"{JOBS}/{body['id']}").json() == body | {
        "grader": {},
        "queuedLongerThanUsual": False,
        "paused": False,
        "checkpoints": [],
    }


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"hyperparameters": {"n_epochs": 51}}, "/hyperparameters/n_epochs"),
        ({"hyperparameters": {"nEpochs": 3}}, "/hyperparameters/nEpochs"),
        ({"hyperparameters": []}, "/hyperparameters"),
        ({"validationSplit": 0.6}, "/validationSplit"),
        ({"baseModel": "gpt-9"}, "/baseModel"),
        ({"provider": "nobody"}, "/provider"),
        ({"method": "dpo"}, "/method"),
        ({"seed": 2**31}, "/seed"),
        ({"suffix": "x" * 65}, "/suffix"),
        ({"datasetId": "0"}, "/datasetId"),
        ({"datasetId": {}}, "/datasetId"),
        ({"datasetId": None}, "/datasetId"),
        ({"datasetID": "0"}, "/datasetID"),
        ({"status": "succeeded"}, "/status"),
    ],
)
def test_refuses_what_cannot_be_trained(api, dataset, organization, change, pointer):
    order = {"name": "Support", "datasetId": str(dataset.pk), "baseModel": BASE_MODEL}

    answer = api.post(JOBS, order | change)

    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not organization.jobs.exists()


@pytest.mark.parametrize("status", ["processing", "invalid"])
def test_refuses_a_dataset_that_is_not_valid(api, organization, provider_account, status):
    dataset = DatasetFactory(organization=organization, status=status)

    answer = api.post(JOBS, {"name": "Support", "datasetId": str(dataset.pk), "baseModel": BASE_MODEL})

    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_trainable")
    assert not organization.jobs.exists()


def test_filters_by_status_and_dataset(api, organization):
    job = JobFactory(organization=organization, status=Status.RUNNING)
    JobFactory(organization=organization, dataset=job.dataset)

    running = api.get(JOBS, {"status": "running"}).json()["data"]
    of_dataset = api.get(JOBS, {"datasetId": str(job.dataset_id)}).json()["data"]

    assert [row["id"] for row in running] == [str(job.pk)]
    assert len(of_dataset) == 2
    assert api.get(JOBS, {"status": "paused"}).status_code == 400


def test_lists_jobs_without_what_only_one_job_shows(api, organization):
    grader = {"type": "python", "source": "#" * 10_000}
    JobFactory(organization=organization, grader=grader, checkpoints=[{"id": "1"}])

    with CaptureQueriesContext(connection) as queries:
        [row] = api.get(JOBS).json()["data"]

    asked = " ".join(query["sql"] for query in queries)
    assert "grader" not in row
    assert "estimated_tokens" in asked
    assert "grader" not in asked
    assert "checkpoints" not in asked


def test_asks_as_much_for_many_queued_jobs_as_for_one(api, organization):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert api.get(JOBS).status_code == 200
        return len(queries)

    job = JobFactory(organization=organization, status=Status.QUEUED, queued_at=LONG_AGO)
    for_one = asked()
    for _ in range(3):
        JobFactory(
            organization=organization,
            dataset=job.dataset,
            provider_account=job.provider_account,
            status=Status.QUEUED,
            queued_at=LONG_AGO,
        )

    assert asked() == for_one


def test_counts_jobs(api, organization):
    JobFactory(organization=organization, status=Status.RUNNING)
    JobFactory(organization=organization, status=Status.SUCCEEDED, actual_cost_usd="12.50")

    stats = api.get(f"{JOBS}/stats").json()

    assert stats["byStatus"]["running"] == stats["byStatus"]["succeeded"] == stats["activeJobs"] == 1
    assert (stats["spentUsd"], stats["successRate"], stats["medianDurationSeconds"]) == (12.5, 1.0, None)


def test_estimates_the_cost(api, dataset):
    dataset.examples.update(token_count=50_000)
    dataset.total_tokens = 20 * 50_000
    dataset.save()

    answer = api.post(
        f"{JOBS}/estimate-cost",
        {"datasetId": str(dataset.pk), "baseModel": BASE_MODEL, "epochs": 2, "validationSplit": 0.5},
    )

    assert answer.json() == {
        "estimatedCostUsd": 5.0,
        "lowUsd": 4.75,
        "highUsd": 10.5,
        "totalTokens": 1_000_000,
        "trainingTokens": 500_000,
        "validationTokens": 500_000,
        "epochs": 2,
        "baseModel": BASE_MODEL,
        "breakdown": {"trainingCost": 5.0, "validationCost": 0.0},
        "priceAsOf": "2025-12-01",
        "priceSource": "https://platform.openai.com/docs/pricing",
    }


def test_estimates_for_the_account_that_is_named(api, dataset, organization):
    ProviderAccountFactory(
        organization=organization, name="own", kind="compatible", base_url="https://own.example/v1"
    )
    asked = {"datasetId": str(dataset.pk), "baseModel": BASE_MODEL}

    estimated = api.post(f"{JOBS}/estimate-cost", asked | {"provider": "own"})
    refused = api.post(f"{JOBS}/estimate-cost", asked | {"provider": "nobody"})

    assert (estimated.status_code, estimated.json()["estimatedCostUsd"]) == (200, None)
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_provider")


@pytest.mark.parametrize(("field", "length"), [("provider", 50), ("baseModel", 300)])
def test_takes_as_long_names_for_an_estimate_as_for_a_job(api, dataset, field, length):
    asked = {"datasetId": str(dataset.pk), "baseModel": BASE_MODEL}

    for path, order in ((JOBS, asked | {"name": "x"}), (f"{JOBS}/estimate-cost", asked)):
        fits, too_long = (api.post(path, order | {field: "x" * n}).json() for n in (length, length + 1))
        assert fits["code"].startswith("unknown_")
        assert too_long["errors"][0]["code"] == "max_length"


def test_names_the_model_that_a_job_yielded(api, organization):
    model = FineTunedModelFactory(organization=organization)

    body = api.get(f"{JOBS}/{model.job_id}").json()

    assert body["resultModelId"] == str(model.pk)


def test_changes_name_and_description(api, organization):
    job = JobFactory(organization=organization)

    answer = api.patch(f"{JOBS}/{job.pk}", {"name": "Second try"})

    assert (answer.status_code, answer.json()["name"]) == (200, "Second try")


def test_cancels_a_job_once(api, organization):
    job = JobFactory(organization=organization)

    first = api.post(f"{JOBS}/{job.pk}/cancel")
    second = api.post(f"{JOBS}/{job.pk}/cancel")

    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (second.status_code, second.json()["code"]) == (409, "job_already_finished")


def test_lists_events_newest_first(api, organization):
    job = JobFactory(organization=organization)
    for number in range(3):
        job.events.create(event_type="metrics", message=str(number), metadata={"train_loss": number})

    events = api.get(f"{JOBS}/{job.pk}/events").json()["data"]

    assert [event["message"] for event in events] == ["2", "1", "0"]
    assert events[0]["metadata"] == {"train_loss": 2}
    assert events[0]["jobId"] == str(job.pk)


def test_says_that_the_provider_did_not_answer(api, dataset, provider_account, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    job = JobFactory(
        organization=dataset.organization,
        dataset=dataset,
        provider_account=provider_account,
        status=Status.RUNNING,
        provider_job_id="ftjob-1",
    )

    answer = api.post(f"{JOBS}/{job.pk}/sync")

    assert (answer.status_code, answer.json()["code"]) == (502, "provider_did_not_answer")
    job.refresh_from_db()
    assert job.status == Status.RUNNING
