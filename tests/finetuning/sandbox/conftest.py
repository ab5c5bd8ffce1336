"""A sandbox in this process, the real SDK in front of it, and a clock that moves only when told."""

import json
from dataclasses import dataclass

import httpx2
import openai
import pytest

from finetuning.sandbox.app import SandboxApp, create_app
from finetuning.sandbox.settings import SandboxSettings
from tests.conftest import Clock

BASE = "gpt-4o-mini-2024-07-18"
LONG_ENOUGH = 3600.0


@dataclass(frozen=True)
class Rehearsal:
    """An app and a client of it; `api` is what a user of the SDK would hold."""

    app: SandboxApp
    api: openai.OpenAI
    clock: Clock

    def upload(self, content, filename="train.jsonl"):
        """The id of a new file for training."""
        return self.api.files.create(file=(filename, content), purpose="fine-tune").id

    def train(self, content, **parameters):
        """A job over `content` as it is when its time is over."""
        job = self.api.fine_tuning.jobs.create(
            **{"model": BASE, "training_file": self.upload(content), **parameters}
        )
        self.clock.advance(LONG_ENOUGH)
        return self.api.fine_tuning.jobs.retrieve(job.id)


@pytest.fixture
def start(tmp_path):
    """Starts a sandbox on a folder; several may run one after the other, as after a restart."""

    def starter(folder="data", clock=None, api_key="sk-test", **settings):
        clock = clock or Clock()
        app = create_app(SandboxSettings(data_dir=tmp_path / folder, clock=clock, **settings))
        transport = httpx2.WSGITransport(app=app)
        http_client = httpx2.Client(transport=transport)
        api = openai.OpenAI(
            api_key=api_key, base_url="http://sandbox/v1", max_retries=0, http_client=http_client
        )
        return Rehearsal(app=app, api=api, clock=clock)

    return starter


@pytest.fixture
def rehearsal(start):
    return start()


def chat_line(question, answer):
    """One line of a training file."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}) + "\n"


def chat_file(count=12):
    """A small training file with a different question and answer on each line."""
    animals = ["cat", "dog", "owl", "fox", "hen", "elk", "bat", "ant", "bee", "cow", "pig", "rat"]
    lines = [
        chat_line(f"What does the {animals[n % 12]} eat? {n}", f"Answer {n}: berries.") for n in range(count)
    ]
    return "".join(lines).encode()


def preference_file(count=10):
    """A small file of preference pairs."""
    row = {
        "input": {"messages": [{"role": "user", "content": "Say hello."}]},
        "preferred_output": [{"role": "assistant", "content": "Hello, friend."}],
        "non_preferred_output": [{"role": "assistant", "content": "What?"}],
    }
    return (json.dumps(row) + "\n").encode() * count
