"""Providers that answer as they should not, and keys that must not get out."""

import gzip
import json
import socket

import httpx2
import pytest

from finetuning import sealing
from models_registry.gateway import calls
from models_registry.gateway.bodies import read_call
from models_registry.gateway.calls import Request
from models_registry.gateway.routes import Target
from tests.gateway.conftest import usage
from tests.gateway.upstream import completion, event

ASK = {"model": "real-model", "messages": [{"role": "user", "content": "Hi"}]}
KEY = "sk-of-the-provider"
DEEP = b"[" * 100_000 + b"]" * 100_000
JSON = {"Content-Type": "application/json"}


def seal(account, key):
    account.set_api_key(key)
    account.save()


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_hides_the_providers_key_in_an_answer(gateway, upstream, make_model, key, status):
    make_model()
    body = {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}}
    upstream.answer("real-model", body, status=status, **{"X-Asked-With": f"Bearer {KEY}"})

    answer = gateway.post(key, ASK)

    assert answer.status_code == status
    assert answer.json()["error"]["message"] == "Incorrect API key provided: (the key)."
    assert KEY not in str(answer.headers)


def test_hides_the_providers_key_in_a_stream(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", event({"error": {"message": f"{KEY} is over its limit"}}))

    answer = gateway.post(key, ASK | {"stream": True})

    assert KEY not in answer.text
    assert "(the key) is over its limit" in answer.text
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 1)


@pytest.mark.parametrize("is_stored", [False, True])
def test_strips_a_key_that_was_read_from_a_file(gateway, upstream, account, make_model, key, is_stored):
    make_model()
    if is_stored:
        account.sealed_api_key = sealing.seal(f"{KEY}\n", place=account.api_key_place)
        account.save()
    else:
        seal(account, f"{KEY}\n")
    upstream.answer("real-model", completion())

    assert gateway.post(key, ASK).status_code == 200
    assert upstream.headers[0]["authorization"] == f"Bearer {KEY}"


def test_says_nothing_of_a_key_that_cannot_be_sent(gateway, upstream, account, make_model, key, caplog):
    make_model()
    seal(account, "sk-of\nthe-provider")

    answer = gateway.post(key, ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_unreachable")
    assert "the-provider" not in answer.text + caplog.text


def test_sends_no_empty_key(gateway, upstream, account, make_model, key):
    make_model()
    account.sealed_api_key = b""
    account.save()

    answer = gateway.post(key, ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider_key_missing")
    assert upstream.asked == []


def test_shows_keys_and_words_in_no_representation():
    target = Target(provider_model_id="m", base_url="https://api.example.com", api_key=KEY, prices=None)
    call = read_call(json.dumps(ASK).encode())
    request = Request(path="/completions", headers=[(b"authorization", b"Bearer at-1")], call=call)

    assert KEY not in repr(target)
    assert "at-1" not in repr(request)
    assert "Hi" not in repr(request)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "real-model", "messages": "\xff"}',
        b'{"model": "\xff"}',
        b'{"\xff": 1, "model": "real-model"}',
        b'{"model": "\\ud800"}',
        b'{"model": "real-model", "messages": ' + DEEP + b"}",
        b'{"model": "real-model", "stream": true, "stream_options": "\xff"}',
    ],
)
def test_refuses_what_cannot_be_read(gateway, make_model, key, body):
    make_model()

    answer = httpx2.post(
        f"{gateway.url}/chat/completions", content=body, headers={"Authorization": f"Bearer {key}"}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "answered",
    [
        b'{"model": "\xff", "choices": "\xff", "id": "\xff", "usage": {"\xff": 1}}',
        b'{"\xff": 1}',
        b'{"model": "real-model", "choices": ' + DEEP + b"}",
        b'{"model": "real-model", "id": "c", "choices": ' + DEEP[99_100:100_900] + b"}",
        DEEP,
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_counts_an_answer_that_cannot_be_read(
    gateway, upstream, organization, make_model, make_agent, key, answered, is_stream
):
    make_agent(model=make_model(), recording="all")
    if is_stream:
        upstream.stream("real-model", event(answered), event(b"[DONE]"))
    else:
        upstream.answer("real-model", answered, **JSON)

    answer = gateway.post(key, ASK | {"model": "support-bot", "stream": is_stream})

    assert answer.status_code == 200
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 0)
    assert not organization.conversations.exists()


def test_unpacks_an_answer_that_came_compressed(gateway, upstream, make_model, key):
    make_model()
    body = gzip.compress(json.dumps(completion()).encode())
    upstream.answer("real-model", body, **JSON, **{"Content-Encoding": "gzip"})

    assert gateway.post(key, ASK).json() == completion()


def test_unpacks_a_stream_that_came_compressed(gateway, upstream, make_model, key):
    make_model()
    packed = gzip.compress(event(completion()) + event(b"[DONE]"))
    upstream.stream("real-model", packed[:20], packed[20:])
    status, headers, pieces = upstream.answers["real-model"]
    upstream.answers["real-model"] = (status, headers | {"Content-Encoding": "gzip"}, pieces)

    answer = gateway.post(key, ASK | {"stream": True})

    assert answer.text.endswith("data: [DONE]\n\n")
    gateway.stop()
    assert usage()["tokens"] == 10


@pytest.mark.parametrize(("encoding", "body"), [("br", b"\x0b\x02"), ("gzip", b"not packed at all")])
def test_refuses_an_answer_that_it_cannot_unpack(gateway, upstream, make_model, key, encoding, body):
    make_model()
    upstream.answer("real-model", body, **{"Content-Encoding": encoding})

    answer = gateway.post(key, ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_unreachable")
    gateway.stop()
    assert (usage()["requests"], usage()["errors"]) == (1, 1)


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(calls, "CONNECT_SECONDS", 0.2)


def test_says_that_a_provider_takes_no_connection(hasty, gateway, account, make_model, key):
    make_model()
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        account.base_url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        account.save()

        answer = gateway.post(key, ASK)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (504, "provider_timeout")
    assert error["message"] == "The model's provider took no connection within 0.2 s."
