"""The vendor's own SDK, pointed at the gateway, with the sandbox as the provider."""

import json

import openai
import pytest

from tests.factories import FineTunedModelFactory, JobFactory
from tests.gateway.conftest import usage

SAY_HI = [{"role": "user", "content": "Hi"}]
BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def client(gateway, sandbox, organization, provider_account, make_agent, key):
    job = JobFactory(organization=organization, provider_account=provider_account, status="succeeded")
    model = FineTunedModelFactory(
        organization=organization, job=job, deployed=True, provider_model_id=BASE, base_model=BASE
    )
    make_agent(model=model)
    return gateway.client(key)


def test_chats(client, gateway):
    completion = client.chat.completions.create(model="support-bot", messages=SAY_HI)

    assert completion.choices[0].message.content.endswith("You said: Hi")
    assert completion.model == "support-bot"
    gateway.stop()
    assert usage()["tokens"] == completion.usage.total_tokens


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_streams(client, gateway, options):
    chunks = list(
        client.chat.completions.create(model="support-bot", messages=SAY_HI, stream=True, **options)
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.endswith("You said: Hi")
    assert {chunk.model for chunk in chunks} == {"support-bot"}
    assert [bool(chunk.usage) for chunk in chunks].count(True) == len(options)
    gateway.stop()
    assert usage()["requests"] == 1
    assert usage()["prompt_tokens"] > 0
    assert usage()["completion_tokens"] > 0


def test_streams_by_the_helper(client):
    with client.chat.completions.stream(model="support-bot", messages=SAY_HI) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content.endswith("You said: Hi")


def test_passes_tools_and_json_mode(gateway, upstream, make_model, key):
    make_model()
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    upstream.answer(
        "real-model",
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]},
    )
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    asked = {"tools": tools, "tool_choice": "required", "response_format": {"type": "json_object"}}

    completion = gateway.client(key).chat.completions.create(model="real-model", messages=SAY_HI, **asked)

    (called,) = completion.choices[0].message.tool_calls
    assert json.loads(called.function.arguments) == {"a": 1}
    assert {name: upstream.asked[0][1][name] for name in asked} == asked


def test_lists_what_can_be_called(client):
    assert [model.id for model in client.models.list()] == ["support-bot", BASE]
    assert client.models.retrieve("support-bot").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_raises_the_vendors_errors(client, gateway, sandbox):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="support-bot", messages=[{"role": "nobody", "content": ""}])
    assert refused.value.param == "messages[0].role"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nothing", messages=SAY_HI)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        gateway.client("at-wrong").chat.completions.create(model="support-bot", messages=SAY_HI)


def test_raises_for_a_stream_that_breaks_off(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", "break")
    stream = gateway.client(key).chat.completions.create(model="real-model", messages=SAY_HI, stream=True)

    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)
