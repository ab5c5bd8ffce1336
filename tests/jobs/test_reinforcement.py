"""Training by reinforcement at the sandbox, from the upload of prompts to the model."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import reading
from datasets.models import Dataset
from jobs.models import Job
from jobs.states import Status
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/fine-tuning"
BASE = "o4-mini-2025-04-16"
GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.capital}}",
    "operation": "eq",
}


@pytest.fixture
def prompts(api, account):
    """Prompts with what a grader compares the answers with, uploaded and read."""
    rows = [
        {"messages": [{"role": "user", "content": f"Capital of country {n}?"}], "capital": f"City {n}"}
        for n in range(20)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file = SimpleUploadedFile("prompts.jsonl", content, "application/jsonl")
    answer = api.post(f"{API}/datasets", {"file": file, "name": "Capitals"}, format="multipart").json()
    dataset = Dataset.objects.get(pk=answer["id"])
    reading.validate_dataset(dataset)
    dataset.refresh_from_db()
    assert (dataset.status, dataset.method) == ("valid", "reinforcement")
    return dataset


def test_trains_by_reinforcement(api, prompts, sandbox):
    order = {"datasetId": str(prompts.pk), "baseModel": "o4-mini", "name": "x", "grader": GRADER}
    order |= {"validationSplit": 0.2, "hyperparameters": {"reasoning_effort": "low", "n_epochs": 1}}

    answer = api.post(f"{API}/jobs", order)

    assert answer.status_code == 201, answer.json()
    job = Job.objects.get(pk=answer.json()["id"])
    advance(job, sandbox, seconds=60, times=8)
    assert (job.status, job.method) == (Status.SUCCEEDED, "reinforcement"), job.error_message
    run = json.loads(bytes(sandbox.app.sandbox.store.row("jobs", job.provider_job_id)["request"]))
    assert run["method"]["reinforcement"]["grader"] == GRADER
    assert run["method"]["reinforcement"]["hyperparameters"]["reasoning_effort"] == "low"
    assert run["validation_file"]
    assert job.fine_tuned_model.provider_model_id.startswith(f"ft:{BASE}:")
    rewards = [event.metadata.get("train_mean_reward") for event in job.events.metrics()]
    assert any(0 < reward < 1 for reward in rewards if reward is not None)
