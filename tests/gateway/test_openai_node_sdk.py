"""The vendor's own SDK for Node, pointed at the gateway. What it is told is what the one for Python is."""

import json

import pytest
from django.utils import timezone

from models_registry import api_keys
from tests.gateway import node_sdk
from tests.gateway.conftest import BASE, usage
from tests.gateway.sdk_calls import CALL, SAY_HI, TOOLS, stream_call_of_tool
from tests.gateway.upstream import completion

CREATE = "chat.completions.create"


@pytest.fixture(scope="session")
def packages():
    node_sdk.install()


@pytest.fixture(scope="module")
def sdk(packages):
    with node_sdk.running() as sdk:
        yield sdk


@pytest.fixture
def call(sdk, gateway, key):
    def call(method, *args, **options):
        return sdk.call(gateway, key, method, *args, **options)

    return call


@pytest.mark.usefixtures("sandbox_bot")
def test_chats(call, gateway):
    completion = call(CREATE, {"model": "support-bot", "messages": SAY_HI})

    assert completion["choices"][0]["message"]["content"].endswith("You said: Hi")
    assert completion["model"] == "support-bot"
    gateway.stop()
    assert usage()["tokens"] == completion["usage"]["total_tokens"]


@pytest.mark.usefixtures("sandbox_bot")
@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_streams_and_counts(call, gateway, options):
    chunks = call(CREATE, {"model": "support-bot", "messages": SAY_HI, "stream": True, **options})

    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text.endswith("You said: Hi")
    assert {chunk["model"] for chunk in chunks} == {"support-bot"}
    told = [chunk["usage"]["total_tokens"] for chunk in chunks if chunk.get("usage")]
    gateway.stop()
    assert (usage()["requests"], usage()["completion_tokens"] > 0) == (1, True)
    assert told == ([usage()["tokens"]] if options else [])


def test_streams_calls_of_tools(call, upstream, make_model):
    make_model()
    stream_call_of_tool(upstream)

    asked = {"model": "real-model", "messages": SAY_HI, "tools": TOOLS}
    final = call("chat.completions.stream", asked, then="finalChatCompletion")

    (called,) = final["choices"][0]["message"]["tool_calls"]
    assert called["function"] | {"id": called["id"]} == CALL["function"] | {
        "id": "call_1",
        "arguments": '{"a": 1}',
    }


def test_passes_tools_and_json_mode(call, upstream, make_model):
    make_model()
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    answer = completion()
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    upstream.answer("real-model", answer)
    asked = {"tools": TOOLS, "tool_choice": "required", "response_format": {"type": "json_object"}}

    told = call(CREATE, {"model": "real-model", "messages": SAY_HI, **asked})

    (called,) = told["choices"][0]["message"]["tool_calls"]
    assert json.loads(called["function"]["arguments"]) == {"a": 1}
    assert {name: upstream.asked[0][1][name] for name in asked} == asked


def test_reads_an_answer_in_json_mode(call, upstream, make_model):
    make_model()
    upstream.answer("real-model", completion('{"answer": 42}'))
    schema = {"name": "Reply", "strict": True, "schema": {"type": "object"}}
    form = {"type": "json_schema", "json_schema": schema}

    told = call(CREATE, {"model": "real-model", "messages": SAY_HI, "response_format": form})

    assert json.loads(told["choices"][0]["message"]["content"]) == {"answer": 42}
    assert upstream.asked[0][1]["response_format"] == form


@pytest.mark.usefixtures("sandbox_bot")
def test_lists_what_can_be_called(call):
    assert [model["id"] for model in call("models.list")] == ["support-bot", BASE]
    assert call("models.retrieve", "support-bot")["object"] == "model"


def refusal(sdk, gateway, key, model="real-model"):
    with pytest.raises(node_sdk.Refused) as refused:
        sdk.call(gateway, key, CREATE, {"model": model, "messages": SAY_HI})
    error = refused.value
    return error, (error.kind, error.status, error.code)


def test_throws_for_a_wrong_key_and_an_unknown_model(sdk, gateway, key):
    assert refusal(sdk, gateway, "at-wrong")[1] == ("AuthenticationError", 401, "invalid_api_key")
    error, told = refusal(sdk, gateway, key, "nothing")
    assert (told, error.param) == (("NotFoundError", 404, "model_not_found"), "model")


def test_throws_for_the_spending_cap(sdk, gateway, organization, make_model, key):
    make_model()
    organization.cap_spending(0, now=timezone.now())

    error, told = refusal(sdk, gateway, key)

    assert told == ("APIError", 402, "spending_cap_reached")
    assert error.headers["x-should-retry"] == "false"


def test_throws_for_a_limit_of_the_key(sdk, gateway, organization, make_model, member):
    make_model()
    _, clear = api_keys.issue_key(organization, by=member, name="Key", requests_per_minute=0)

    error, told = refusal(sdk, gateway, clear)

    assert (told, error.type) == (("RateLimitError", 429, "rate_limit_exceeded"), "requests")
    assert int(error.headers["retry-after"]) > 0


def test_throws_for_a_stream_that_breaks_off(call, upstream, make_model):
    make_model()
    upstream.stream("real-model", "break")

    with pytest.raises(node_sdk.Refused, match="broke off"):
        call(CREATE, {"model": "real-model", "messages": SAY_HI, "stream": True})
