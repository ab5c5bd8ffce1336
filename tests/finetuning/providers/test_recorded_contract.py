import json

import httpx2
import pytest

from tests.finetuning.providers.contract import *  # noqa: F403
from tests.finetuning.providers.recorded import COMPLETION, EVENTS, FILE, JOB, listing, refusal


class RecordedOpenAI:
    """Answers with the recorded objects; remembers only what was uploaded and created."""

    def __init__(self):
        self.files = []
        self.jobs = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/v1/")
        answer = getattr(self, f"{request.method.lower()}_{path.partition('/')[0]}")
        return answer(path, request)

    def get_models(self, path, request):
        return listing([{"id": "gpt-4.1-mini-2025-04-14", "object": "model"}])

    def get_files(self, path, request):
        return listing(self.files)

    def post_files(self, path, request):
        start = request.content.index(b"\r\n\r\n", request.content.index(b"filename=")) + 4
        size = request.content.index(b"\r\n--", start) - start
        self.files.append(FILE | {"bytes": size})
        return httpx2.Response(200, json=self.files[-1])

    def get_fine_tuning(self, path, request):
        if path == "fine_tuning/jobs":
            # An unknown query parameter is ignored, as many a clone does.
            return listing(self.jobs)
        if path.endswith("/events"):
            return listing(EVENTS)
        if path != f"fine_tuning/jobs/{JOB['id']}":
            message = "Could not find fine tune: ftjob-unknown"
            return refusal(404, message, param="fine_tune_id", code="fine_tune_not_found")
        return httpx2.Response(200, json=JOB)

    def post_fine_tuning(self, path, request):
        if path.endswith("/cancel"):
            return httpx2.Response(200, json=JOB | {"status": "cancelled"})
        model = json.loads(request.content)["model"]
        if model != JOB["model"]:
            return refusal(400, f"Model {model} is not available for fine-tuning or does not exist.")
        self.jobs.append(JOB)
        return httpx2.Response(200, json=JOB)

    def post_chat(self, path, request):
        model = json.loads(request.content)["model"]
        if model != COMPLETION["model"]:
            return refusal(404, f"The model '{model}' does not exist", code="model_not_found", param="model")
        return httpx2.Response(200, json=COMPLETION)


@pytest.fixture
def provider(connect):
    provider, _ = connect(RecordedOpenAI())
    return provider


@pytest.fixture
def trained_model():
    return COMPLETION["model"]
