"""One story through the API, every part of it real: upload, read, price, train, deploy, use."""

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import tasks as dataset_tasks
from jobs import tasks as job_tasks

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLE = settings.BASE_DIR / "datasets" / "samples" / "support.jsonl"
API = "/api/fine-tuning"


@pytest.fixture
def account(provider_account, sandbox):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    return provider_account


def upload(api, content):
    file = SimpleUploadedFile("support.jsonl", content)
    answer = api.post(f"{API}/datasets", {"name": "Support", "file": file}, format="multipart")
    assert (answer.status_code, answer.json()["status"]) == (201, "processing")
    return answer.json()["id"]


def train(api, sandbox, **body):
    job = api.post(f"{API}/jobs", {"name": "Support", "baseModel": "gpt-4.1-mini", **body}).json()
    seen = [job["status"]]
    while job["status"] not in ("succeeded", "failed", "cancelled"):
        sandbox.clock.advance(1)
        job_tasks.advance_job(job_id=job["id"])
        job = api.get(f"{API}/jobs/{job['id']}").json()
        seen.append(job["status"])
    return job, list(dict.fromkeys(seen))


def test_a_file_becomes_a_deployed_model_whose_use_is_counted(api, account, sandbox):
    dataset_id = upload(api, SAMPLE.read_bytes())
    dataset_tasks.validate_dataset(dataset_id=dataset_id)
    dataset = api.get(f"{API}/datasets/{dataset_id}").json()
    assert (dataset["status"], dataset["totalExamples"], dataset["validationErrors"]) == ("valid", 36, [])

    asked = {"datasetId": dataset_id, "baseModel": "gpt-4.1-mini"}
    estimate = api.post(f"{API}/jobs/estimate-cost", asked).json()
    job, seen = train(api, sandbox, datasetId=dataset_id)
    assert seen == ["pending", "queued", "running", "succeeded"]
    assert (job["progressPercentage"], job["trainedTokens"]) == (100, estimate["epochs"] * 2655)
    assert job["actualCostUsd"] == estimate["estimatedCostUsd"]

    model = f"{API}/models/{job['resultModelId']}"
    assert api.post(f"{model}/deploy", {"agentId": "support-bot"}).json()["deployed"]
    api.post(f"{model}/usage", {"promptTokens": 30, "completionTokens": 12, "latencyMs": 250})

    used = api.get(model).json()
    assert (used["totalRequests"], used["totalTokensUsed"], used["averageLatencyMs"]) == (1, 42, 250)
    assert used["job"]["dataset"]["id"] == dataset_id


def test_recorded_conversations_become_a_model(api, account, sandbox):
    for number in range(12):
        spoken = [("user", f"Where is order {number}?"), ("assistant", f"Order {number} is on its way.")]
        messages = [{"role": role, "content": content} for role, content in spoken]
        body = {"agentId": "support-bot", "qualityScore": 0.9, "messages": messages}
        assert api.post("/api/conversations", body).status_code == 201

    filters = {"agentId": "support-bot", "minQualityScore": 0.5, "maxExamples": 11}
    imported = api.post(f"{API}/datasets/import-from-conversations", {"name": "Good answers", **filters})
    dataset_tasks.validate_dataset(dataset_id=imported.json()["id"])
    job, _ = train(api, sandbox, datasetId=imported.json()["id"])

    assert (job["status"], job["dataset"]["totalExamples"]) == ("succeeded", 11)
    assert imported.json()["sourceFilters"] == filters
