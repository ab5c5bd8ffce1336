"""The vendor's own SDK, pointed at the gateway, with the sandbox as the provider."""

import json

import openai
import pytest
from django.utils import timezone
from pydantic import BaseModel

from models_registry import api_keys
from tests.gateway.conftest import BASE, usage
from tests.gateway.sdk_calls import CALL, SAY_HI, TOOLS, stream_call_of_tool
from tests.gateway.upstream import completion, event


@pytest.fixture
def client(gateway, sandbox_bot, key):
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


def test_streams_calls_of_tools(gateway, upstream, make_model, key):
    make_model()
    stream_call_of_tool(upstream)

    with gateway.client(key).chat.completions.stream(
        model="real-model", messages=SAY_HI, tools=TOOLS
    ) as stream:
        final = stream.get_final_completion()

    (called,) = final.choices[0].message.tool_calls
    assert (called.id, called.function.name, called.function.arguments) == ("call_1", "f", '{"a": 1}')
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("is_stream", [False, True])
def test_completes_a_prompt(gateway, upstream, make_model, key, is_stream):
    make_model()
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "real-model"}
    body |= {"choices": [{"index": 0, "text": "Once", "finish_reason": "stop", "logprobs": None}]}
    if is_stream:
        upstream.stream("real-model", event(body), event(b"[DONE]"))
    else:
        upstream.answer("real-model", body)

    answer = gateway.client(key).completions.create(model="real-model", prompt="Say", stream=is_stream)

    (completion,) = list(answer) if is_stream else [answer]
    assert (completion.choices[0].text, completion.model) == ("Once", "real-model")


class Reply(BaseModel):
    answer: int


def test_reads_an_answer_in_json_mode(gateway, upstream, make_model, key):
    make_model()
    upstream.answer("real-model", completion('{"answer": 42}'))

    parsed = gateway.client(key).chat.completions.parse(
        model="real-model", messages=SAY_HI, response_format=Reply
    )

    assert parsed.choices[0].message.parsed == Reply(answer=42)
    assert upstream.asked[0][1]["response_format"]["json_schema"]["name"] == "Reply"


def ask(gateway, clear):
    gateway.client(clear).chat.completions.create(model="real-model", messages=SAY_HI)


def test_raises_for_a_limit_of_the_key(gateway, organization, make_model, member):
    make_model()
    _, clear = api_keys.issue_key(organization, by=member, name="Key", requests_per_minute=0)

    with pytest.raises(openai.RateLimitError) as refused:
        ask(gateway, clear)

    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "requests")
    assert int(refused.value.response.headers["retry-after"]) > 0


def test_raises_for_the_spending_cap(gateway, organization, make_model, key):
    make_model()
    organization.cap_spending(0, now=timezone.now())

    with pytest.raises(openai.APIStatusError) as refused:
        ask(gateway, key)

    assert (refused.value.status_code, refused.value.code) == (402, "spending_cap_reached")
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_raises_for_a_provider_that_cannot_be_reached(gateway, account, make_model, key):
    make_model()
    account.base_url = "http://127.0.0.1:9/v1"
    account.save()

    with pytest.raises(openai.InternalServerError) as refused:
        ask(gateway, key)

    assert (refused.value.status_code, refused.value.code) == (502, "provider_unreachable")


def test_passes_tools_and_json_mode(gateway, upstream, make_model, key):
    make_model()
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    upstream.answer(
        "real-model",
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]},
    )
    asked = {"tools": TOOLS, "tool_choice": "required", "response_format": {"type": "json_object"}}

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
