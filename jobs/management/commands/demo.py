"""The main job from the terminal: a file becomes a model that answers. Talks to the running product's API."""

import json
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetuning.api.tokens import issue_tokens
from finetuning.models import Membership, Role
from models_registry import services as registry

SAMPLE = settings.BASE_DIR / "datasets" / "samples" / "support.jsonl"
BAR_WIDTH = 40
MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonl"}


class Command(BaseCommand):
    help = "Upload a file, train on it, deploy the model and ask it the file's first question."
    drawn = ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--file", type=Path, default=SAMPLE, help="a file of training data; default: a sample"
        )
        parser.add_argument("--base-model", default="gpt-4.1-mini")
        parser.add_argument("--port", type=int, default=8000, help="as given to `make run`")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}. Give one: make demo FILE=training.jsonl")
        owner = Membership.objects.filter(role=Role.OWNER).order_by("created_at", "id").first()
        if owner is None:
            raise CommandError("There is no organization yet. Start the product first: make run")
        with _Api(f"http://127.0.0.1:{options['port']}", owner) as api:
            self._tell(api, path, options["base_model"])

    def _tell(self, api: "_Api", path: Path, base_model: str) -> None:
        dataset = self._dataset(api, path)
        job = self._job(api, dataset, base_model)
        model = api.post(f"models/{job['resultModelId']}/deploy", {})
        question = _first_question(api, dataset)
        trained = api.owner.organization.fine_tuned_models.get(pk=model["id"])
        answer = registry.try_model(trained, messages=question, by=api.owner.user).message["content"]
        price = job["actualCostUsd"]
        self.stdout.write(f"Model        {model['providerModelId']}")
        self.stdout.write(f"Price        {'unknown' if price is None else f'{price:.2f} USD'}")
        self.stdout.write(f"Final loss   {job['trainingLoss']}")
        self.stdout.write(f"Question     {question[-1]['content']}")
        self.stdout.write(f"Answer       {answer}")
        result = {
            "examples": dataset["totalExamples"],
            "tokens": dataset["totalTokens"],
            "status": job["status"],
            "model": model["providerModelId"],
            "deployed": model["deployed"],
            "answer": answer,
        }
        self.stdout.write(json.dumps(result, ensure_ascii=False))

    def _dataset(self, api: "_Api", path: Path) -> dict[str, Any]:
        self.stdout.write(f"Uploading    {path.name} ({path.stat().st_size:,} bytes)")
        dataset = api.upload(path)
        while dataset["status"] == "processing":
            time.sleep(1)
            dataset = api.get(f"datasets/{dataset['id']}")
        if dataset["status"] != "valid":
            shown = "\n".join(_one_line(problem) for problem in dataset["validationErrors"][:10])
            raise CommandError(f"{path.name} cannot be trained on:\n{shown}")
        self.stdout.write(f"Examples     {dataset['totalExamples']:,} with {dataset['totalTokens']:,} tokens")
        return dataset

    def _job(self, api: "_Api", dataset: Mapping[str, Any], base_model: str) -> dict[str, Any]:
        job = api.post("jobs", {"name": dataset["name"], "datasetId": dataset["id"], "baseModel": base_model})
        estimate = job["estimatedCostUsd"]
        said = "at a price that is not known" if estimate is None else f"for about {estimate:.2f} USD"
        self.stdout.write(f"Training     {job['baseModel']} {said}")
        while job["completedAt"] is None and job["cancelledAt"] is None:
            self._draw(job)
            time.sleep(1)
            job = api.get(f"jobs/{job['id']}")
        self._draw(job)
        self.stdout.write("")
        if job["status"] != "succeeded":
            raise CommandError(f"The job ended as {job['status']}: {job['errorMessage']}")
        return job

    def _draw(self, job: Mapping[str, Any]) -> None:
        """A bar that is redrawn on a terminal, and one line per state elsewhere."""
        done = round(BAR_WIDTH * job["progressPercentage"] / 100)
        bar = f"[{'#' * done}{'.' * (BAR_WIDTH - done)}] {job['progressPercentage']:5.1f} %  {job['status']}"
        if bar != self.drawn:
            self.stdout.write(f"  {bar:<70}", ending="\r" if sys.stdout.isatty() else "\n")
            self.stdout.flush()
            self.drawn = bar


def _one_line(problem: Mapping[str, Any]) -> str:
    return f"  line {problem['line']}: {problem['message']}"


def _first_question(api: "_Api", dataset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of the first example up to its last user message."""
    messages: list[dict[str, Any]] = api.get(f"datasets/{dataset['id']}/examples?limit=1")["data"][0][
        "messages"
    ]
    last_user = max(index for index, message in enumerate(messages) if message["role"] == "user")
    return messages[: last_user + 1]


class _Api:
    """The product's REST API, in the name of an organization's owner. Signs in anew when a token ends."""

    def __init__(self, url: str, owner: Membership) -> None:
        self.owner = owner
        self.client = httpx2.Client(base_url=url, timeout=120, trust_env=False)
        self._sign_in()

    def __enter__(self) -> "_Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str) -> dict[str, Any]:
        return self._send("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, json=body)

    def upload(self, path: Path) -> dict[str, Any]:
        media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        with path.open("rb") as file:
            files = {"file": (path.name, file, media_type)}
            return self._send("POST", "datasets", data={"name": path.stem[:200]}, files=files)

    def _sign_in(self) -> None:
        self.client.headers["Authorization"] = f"Bearer {issue_tokens(self.owner)['access']}"

    def _send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        try:
            response = self.client.request(method, f"/api/fine-tuning/{path}", **body)
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                self._sign_in()
                response = self.client.request(method, f"/api/fine-tuning/{path}", **body)
        except httpx2.HTTPError as error:
            raise CommandError(
                f"{self.client.base_url} does not answer ({error}). Start it first: make run"
            ) from error
        answer: dict[str, Any] = response.json()
        if response.is_error:
            raise CommandError(f"{answer.get('title')}: {answer.get('detail')}")
        return answer
