import json

import httpx2
import pytest

from finetuning.providers.openai import OpenAIProvider


class Wire:
    """Stands for the network: answers each request as told, and keeps what was sent."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def __call__(self, request):
        request.read()
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def sent(self):
        """The last request's body, read as JSON."""
        return json.loads(self.requests[-1].content)


@pytest.fixture
def connect():
    """Makes a provider whose requests are all answered by `answer`: a response, an error, or a function."""

    def connect(answer, **account):
        wire = Wire(answer)
        defaults = {"api_key": "sk-test-0123456789", "base_url": "http://provider.test/v1", "timeout": 30}
        provider = OpenAIProvider(**defaults | account, transport=httpx2.MockTransport(wire))
        return provider, wire

    return connect


@pytest.fixture
def training_file(tmp_path):
    def example(number):
        return {
            "messages": [
                {"role": "user", "content": f"What is the capital of country {number}?"},
                {"role": "assistant", "content": f"The capital of country {number} is city {number}."},
            ]
        }

    path = tmp_path / "training.jsonl"
    path.write_text("".join(json.dumps(example(number)) + "\n" for number in range(10)))
    return path
