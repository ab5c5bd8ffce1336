import pytest

from finetuning.providers.openai import OpenAIProvider
from tests.finetuning.providers.contract import *  # noqa: F403
from tests.finetuning.providers.contract import create


@pytest.fixture
def provider(sandbox):
    return OpenAIProvider(api_key="sk-test-0123456789", base_url=f"{sandbox.url}/v1", timeout=30)


@pytest.fixture
def trained_model(provider, sandbox, training_file):
    job = create(provider, training_file, reference="job-of-the-model")
    sandbox.clock.advance(3_600)
    return provider.get_job(job.id).model_id


def test_asks_directly_where_the_environment_names_a_proxy(provider, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert provider.list_models()
