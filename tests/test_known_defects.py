"""Each of these once went wrong in a system of this kind. Through the API, with real threads and the sandbox."""

import json
import random

import httpx2
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import tasks as dataset_tasks
from datasets.models import Dataset
from finetuning.sandbox.faults import Fault
from jobs import services
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel
from tests.conftest import api_client
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/fine-tuning"
MINI = "gpt-4.1-mini"
RACES = 20
ORDER = list(Status)[: list(Status).index(Status.RUNNING) + 1]


@pytest.fixture
def account(provider_account, sandbox):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    return provider_account


@pytest.fixture
def job(api, organization, account):
    dataset = DatasetFactory(organization=organization, examples=12)
    answer = api.post(f"{API}/jobs", {"name": "x", "datasetId": str(dataset.pk), "baseModel": MINI})
    return Job.objects.get(pk=answer.json()["id"])


def sync(api, job, sandbox, *, seconds):
    sandbox.clock.advance(seconds)
    return api.post(f"{API}/jobs/{job.pk}/sync").json()


def sync_until(api, job, sandbox, status):
    for _ in range(100):
        if sync(api, job, sandbox, seconds=1)["status"] == status:
            return
    pytest.fail(f"never came to be {status}")


def talk(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def upload(api, *, examples):
    lines = [
        json.dumps({"messages": talk(f"Question {number}?", "Yes. " * (number + 1))})
        for number in range(examples)
    ]
    file = SimpleUploadedFile("talks.jsonl", "\n".join(lines).encode())
    dataset_id = api.post(f"{API}/datasets", {"name": "x", "file": file}, format="multipart").json()["id"]
    dataset_tasks.validate_dataset(dataset_id=dataset_id)
    return Dataset.objects.get(pk=dataset_id)


def test_an_estimate_tells_nothing_of_a_foreign_dataset(api, outsider_api, outsider, account):
    foreign = DatasetFactory(organization=outsider.organizations.get(), examples=12)
    asked = {"baseModel": MINI, "datasetId": str(foreign.pk)}

    answer = api.post(f"{API}/jobs/estimate-cost", asked)
    missing = api.post(f"{API}/jobs/estimate-cost", asked | {"datasetId": str(Job().pk)})

    assert (answer.status_code, answer.json()["errors"]) == (400, missing.json()["errors"])
    assert foreign.name not in answer.content.decode()


def test_a_price_is_that_of_the_counted_tokens(api, account, sandbox):
    dataset = upload(api, examples=12)
    asked = {"datasetId": str(dataset.pk), "baseModel": MINI}

    estimate = api.post(f"{API}/jobs/estimate-cost", asked | {"epochs": 2}).json()
    order = asked | {"name": "x", "hyperparameters": {"n_epochs": 2}}
    job = Job.objects.get(pk=api.post(f"{API}/jobs", order).json()["id"])
    sync_until(api, job, sandbox, "succeeded")

    job.refresh_from_db()
    counted = sum(dataset.examples.values_list("token_count", flat=True))
    assert estimate["trainingTokens"] == dataset.total_tokens == counted > 0
    assert job.trained_tokens == 2 * counted
    assert float(job.actual_cost_usd) == estimate["estimatedCostUsd"]


def test_two_syncs_at_once_make_one_model(user, api, job, sandbox):
    sync_until(api, job, sandbox, "running")
    sandbox.clock.advance(600)
    clients = [api_client(user) for _ in range(8)]

    answers = at_once(*[lambda client=client: client.post(f"{API}/jobs/{job.pk}/sync") for client in clients])
    last = sync(api, job, sandbox, seconds=1)

    assert {answer.status_code for answer in answers} == {200}
    assert (last["status"], FineTunedModel.with_deleted.filter(job=job).count()) == ("succeeded", 1)
    assert sandbox.ledger()["totals"]["creates"] == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="unknown_status", value="thinking"), Fault(kind="status_backwards")],
    ids=lambda fault: fault.kind,
)
def test_an_odd_status_of_the_provider_moves_no_job_backwards(api, job, sandbox, fault):
    sync_until(api, job, sandbox, "running")
    sandbox.fail(fault)

    during = [sync(api, job, sandbox, seconds=1) for _ in range(3)]
    sandbox.behave()
    sync_until(api, job, sandbox, "succeeded")

    assert {answer["status"] for answer in during} == {"running"}
    assert [answer["progressPercentage"] for answer in during] == sorted(
        answer["progressPercentage"] for answer in during
    )
    reached = job.events.filter(metadata__has_key="status").order_by("created_at", "id")
    statuses = list(reached.values_list("metadata__status", flat=True))
    assert statuses == [*ORDER, "succeeded"]


def record(api, *, number, score):
    messages = talk(f"Where is order {number}?", f"Order {number} is on its way.")
    body = {
        "messages": messages,
        "externalId": f"talk-{number}",
        "occurredAt": f"2026-03-{number + 1:02}T12:00:00Z",
    }
    return api.post("/api/conversations", body | ({} if score is None else {"qualityScore": score})).json()[
        "id"
    ]


def import_conversations(api, **filters):
    answer = api.post(f"{API}/datasets/import-from-conversations", {"name": "x", **filters})
    dataset_tasks.validate_dataset(dataset_id=answer.json()["id"])
    return Dataset.objects.get(pk=answer.json()["id"])


def test_an_import_takes_no_conversation_below_the_minimum_score(api):
    scores = [0.1, 0.79, None, *[0.8, 0.95] * 6]
    made = [(record(api, number=number, score=score), score) for number, score in enumerate(scores)]

    dataset = import_conversations(api, minQualityScore=0.8)

    imported = {str(pk) for pk in dataset.examples.values_list("conversation_id", flat=True)}
    assert imported == {pk for pk, score in made if score is not None and score >= 0.8}


def test_an_import_takes_the_newest_of_more_than_were_asked_for(api):
    made = [record(api, number=number, score=None) for number in range(15)]

    dataset = import_conversations(api, maxExamples=11)

    examples = dataset.examples.order_by("position")
    assert [str(pk) for pk in examples.values_list("conversation_id", flat=True)] == made[-11:]
    assert dataset.total_examples == 11


def test_an_import_stores_examples_and_which_conversation_each_is(api, organization):
    made = [record(api, number=number, score=0.9) for number in range(12)]

    dataset = import_conversations(api)

    stored = dataset.examples.order_by("position").select_related("conversation")
    assert [str(example.conversation_id) for example in stored] == made
    assert all(example.messages == example.conversation.messages for example in stored)
    assert (dataset.status, dataset.total_examples) == ("valid", 12)


def test_a_validation_split_reaches_the_provider(api, account, sandbox):
    dataset = upload(api, examples=40)
    asked = {"datasetId": str(dataset.pk), "baseModel": MINI, "validationSplit": 0.25}

    estimate = api.post(f"{API}/jobs/estimate-cost", asked).json()
    job = Job.objects.get(pk=api.post(f"{API}/jobs", asked | {"name": "x"}).json()["id"])
    sync(api, job, sandbox, seconds=1)

    job.refresh_from_db()
    training, validation = (sent(sandbox, pk) for pk in (job.training_file_id, job.validation_file_id))
    assert (len(training), len(validation)) == (30, 10)
    assert len({*training, *validation}) == 40
    assert estimate["trainingTokens"] + estimate["validationTokens"] == dataset.total_tokens
    assert estimate["validationTokens"] == round(dataset.total_tokens / 4)


def sent(sandbox, file_id):
    answer = httpx2.get(
        f"{sandbox.url}/v1/files/{file_id}/content", headers={"Authorization": "Bearer sk-test"}
    )
    return answer.raise_for_status().content.splitlines()


def test_a_job_that_is_being_validated_can_be_cancelled(api, organization):
    job = JobFactory(organization=organization, status=Status.VALIDATING)

    answer = api.post(f"{API}/jobs/{job.pk}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_a_job_whose_create_was_never_answered_can_be_cancelled(api, job, sandbox):
    sandbox.fail(Fault(kind="drop_after", route="POST /fine_tuning/jobs", times=1))
    sync(api, job, sandbox, seconds=1)
    job.refresh_from_db()
    assert (job.status, job.provider_job_id) == ("validating", None)

    answer = api.post(f"{API}/jobs/{job.pk}/cancel")
    sync_until(api, job, sandbox, "cancelled")

    assert answer.status_code == 200
    assert [entry["cancels"] for entry in sandbox.ledger()["jobs"]] == [1]


def test_a_dataset_that_a_job_needs_stays_with_its_file(api, owner_api, account, sandbox):
    dataset = upload(api, examples=12)
    order = {"name": "x", "datasetId": str(dataset.pk), "baseModel": MINI}
    job = Job.objects.get(pk=api.post(f"{API}/jobs", order).json()["id"])

    refused = owner_api.delete(f"{API}/datasets/{dataset.pk}")
    sync_until(api, job, sandbox, "succeeded")
    deleted = owner_api.delete(f"{API}/datasets/{dataset.pk}")

    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert deleted.status_code == 204
    assert dataset.file.storage.exists(dataset.file.name)
    assert api.get(f"{API}/jobs/{job.pk}").json()["dataset"]["totalExamples"] == 12


def test_no_race_of_deleting_and_starting_leaves_a_job_without_its_data(user, owner, account, sandbox):
    outcomes = []
    for _ in range(RACES):
        dataset = DatasetFactory(organization=account.organization, examples=12)
        order = {"name": "x", "datasetId": str(dataset.pk), "baseModel": MINI}
        calls = [
            lambda order=order: api_client(user).post(f"{API}/jobs", order),
            lambda pk=dataset.pk: api_client(owner).delete(f"{API}/datasets/{pk}"),
        ]
        random.shuffle(calls)

        outcomes.append({answer.status_code for answer in at_once(*calls)})

    assert all(statuses in ({201, 409}, {204, 400}, {204, 409}) for statuses in outcomes), outcomes
    assert not Job.objects.exclude(dataset__deleted_at=None).exists()
    for job in Job.objects.all():
        services.advance_job(job)
    assert set(Job.objects.values_list("status", flat=True)) <= {"queued"}


def test_counts_the_use_of_50_calls_at_once(user, organization):
    model = FineTunedModelFactory(organization=organization)
    used = {"promptTokens": 2, "completionTokens": 3, "latencyMs": 10}
    clients = [api_client(user) for _ in range(50)]

    answers = at_once(
        *[lambda client=client: client.post(f"{API}/models/{model.pk}/usage", used) for client in clients]
    )

    model.refresh_from_db()
    assert {answer.status_code for answer in answers} == {200}
    assert (model.total_requests, model.total_tokens_used, model.average_latency_ms) == (50, 250, 10.0)
