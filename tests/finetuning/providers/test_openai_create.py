import http.server
import socket
import threading

import httpx2
import openai
import pytest

from finetuning.providers.base import (
    OutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
    TrainingRun,
)
from finetuning.providers.openai import OpenAIProvider
from tests.finetuning.providers.recorded import JOB, listing, refusal, text
from tests.threads import serving

RUN = TrainingRun(reference="job-1", base_model="gpt-4.1-mini-2025-04-14", training_file="file-1")
CREATED = httpx2.Response(200, json=JOB)


def test_sends_only_what_a_run_gives(connect):
    provider, wire = connect(CREATED)

    provider.create_job(RUN)

    assert wire.sent == {
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": "file-1",
        "method": {"type": "supervised", "supervised": {}},
        "metadata": {"ft_job": "job-1"},
    }


def test_sends_everything_that_a_run_gives(connect):
    provider, wire = connect(CREATED)
    given = {"validation_file": "file-2", "suffix": "mine", "seed": 0}

    provider.create_job(
        TrainingRun(
            reference="job-1",
            base_model="gpt-4.1",
            training_file="file-1",
            method="dpo",
            hyperparameters={"beta": 0.1},
            **given,
        )
    )

    assert wire.sent | given == wire.sent
    assert wire.sent["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}


def test_sends_the_reference_as_idempotency_key(connect):
    provider, wire = connect(CREATED)

    provider.create_job(RUN)

    assert wire.requests[0].headers["idempotency-key"] == "job-1"


def test_keeps_the_environment_out(connect, monkeypatch):
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", f"leaked-{name}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leaked: leaked\nAuthorization: Bearer leaked")
    provider, wire = connect(CREATED)

    provider.create_job(RUN)

    assert "leaked" not in f"{wire.requests[0].url}{wire.requests[0].headers.raw}"
    assert "openai-organization" not in wire.requests[0].headers
    assert wire.requests[0].headers["authorization"] == "Bearer sk-test-0123456789"


def test_uploads_under_the_given_name(connect, training_file):
    provider, wire = connect(lambda request: listing([]) if request.method == "GET" else CREATED)

    provider.upload_file(training_file, name="ft-1-training.jsonl")

    body = wire.requests[-1].content
    assert b'filename="ft-1-training.jsonl"\r\nContent-Type: application/jsonl' in body
    assert b'name="purpose"\r\n\r\nfine-tune' in body
    assert training_file.read_bytes() in body


@pytest.mark.parametrize("other", [{"filename": "b.jsonl"}, {"bytes": 5}, {"status": "error"}])
def test_uploads_again_what_is_there_otherwise(connect, training_file, other):
    file = {
        "id": "file-1",
        "filename": "a.jsonl",
        "bytes": training_file.stat().st_size,
        "status": "processed",
    }
    provider, _ = connect(lambda request: listing([file | other]) if request.method == "GET" else CREATED)

    assert provider.upload_file(training_file, name="a.jsonl") == JOB["id"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_is_refused_for_good(connect, status):
    provider, wire = connect(refusal(status, "Not with this organization."))

    with pytest.raises(ProviderRefused, match=r"^Not with this organization\.$") as refused:
        provider.create_job(RUN)

    assert refused.value.permanent
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "vendor_code", "code"),
    [
        (401, "invalid_api_key", "provider_key_refused"),
        (403, None, "fine_tuning_not_available"),
        (400, "model_not_available", "model_not_available"),
    ],
)
def test_gives_a_refusal_a_code(connect, status, vendor_code, code):
    provider, _ = connect(refusal(status, "No.", code=vendor_code))

    with pytest.raises(ProviderRefused) as refused:
        provider.create_job(RUN)

    assert refused.value.code == code


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("Connection refused"),
        httpx2.ConnectError("certificate verify failed"),
        httpx2.ConnectTimeout("timed out"),
        httpx2.PoolTimeout("timed out"),
        httpx2.Response(429, json={"error": {"message": "Slow down."}}),
    ],
    ids=repr,
)
def test_was_surely_not_created(connect, failure):
    provider, wire = connect(failure)

    with pytest.raises(ProviderUnreachable):
        provider.create_job(RUN)

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        *(httpx2.Response(status) for status in (301, 307, 402, 408, 409, 418, 500, 502, 503, 504, 529)),
        httpx2.ReadTimeout("timed out"),
        httpx2.WriteTimeout("timed out"),
        httpx2.ReadError("Connection reset by peer"),
        httpx2.WriteError("Broken pipe"),
        httpx2.RemoteProtocolError("Server disconnected without sending a response."),
    ],
    ids=repr,
)
def test_may_have_been_created(connect, failure):
    provider, wire = connect(failure)

    with pytest.raises(OutcomeUnknown):
        provider.create_job(RUN)

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param('{"id": "ftjob-1", "sta', id="cut off"),
        pytest.param("<html>Please sign in to the network</html>", id="a page"),
        pytest.param("[1, 2]", id="a list"),
        pytest.param('{"status": "queued"}', id="no id"),
        pytest.param('{"id": 17}', id="an id of another type"),
        pytest.param("[" * 100_000, id="very deep"),
        pytest.param('{"id": ' + "9" * 5_000 + "}", id="a very long number"),
    ],
)
def test_may_have_been_created_when_the_answer_is_unreadable(connect, body):
    provider, wire = connect(text(200, body))

    with pytest.raises(OutcomeUnknown, match="could not be read"):
        provider.create_job(RUN)

    assert len(wire.requests) == 1


def test_obeys_no_header_that_asks_to_send_a_create_again(connect):
    provider, wire = connect(httpx2.Response(500, headers={"x-should-retry": "true"}))

    with pytest.raises(OutcomeUnknown):
        provider.create_job(RUN)

    assert len(wire.requests) == 1


def test_is_unreachable_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    provider = OpenAIProvider(api_key="sk-test", base_url=f"http://127.0.0.1:{port}/v1", timeout=5)

    with pytest.raises(ProviderUnreachable, match=f"127.0.0.1:{port}.* could not be reached"):
        provider.create_job(RUN)


@pytest.mark.parametrize("base_url", ["http://[/v1", "not an address", "http://a:99999/v1", ""])
def test_creates_nothing_at_an_address_that_is_none(base_url):
    provider = OpenAIProvider(api_key="sk-test", base_url=base_url, timeout=5)

    with pytest.raises((ProviderRefused, ProviderUnreachable)):
        provider.create_job(RUN)


@pytest.mark.parametrize("api_key", ["", "sk-ключ"])
def test_refuses_a_key_that_cannot_be_sent(connect, api_key):
    provider, wire = connect(CREATED, api_key=api_key)

    with pytest.raises(ProviderRefused):
        provider.create_job(RUN)

    assert wire.requests == []


class Dripping(http.server.BaseHTTPRequestHandler):
    """Answers a create rightly, but so slowly that no single read ever takes long."""

    stop = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        for byte in CREATED.content:
            if self.stop.wait(0.02):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *args):
        pass


@pytest.fixture
def dripping_url():
    with serving(http.server.HTTPServer(("127.0.0.1", 0), Dripping)) as server:
        Dripping.stop.clear()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        Dripping.stop.set()


def test_gives_up_on_a_provider_that_drips(dripping_url):
    provider = OpenAIProvider(api_key="sk-test", base_url=dripping_url, timeout=0.5)

    with pytest.raises(OutcomeUnknown, match="in time"):
        provider.create_job(RUN)


def test_sends_what_a_vendor_wants_besides(connect):
    provider, wire = connect(httpx2.Response(200, json=JOB), extra_body={"trainingType": "globalStandard"})

    provider.create_job(RUN)

    assert wire.sent["trainingType"] == "globalStandard"


def test_a_refusal_without_a_code_is_told_from_others(connect):
    words = {"error": {"message": "Your organization cannot fine-tune.", "code": None}}
    provider, _ = connect(httpx2.Response(403, json=words))

    with pytest.raises(ProviderRefused) as refused:
        provider.create_job(RUN)

    assert (refused.value.code, refused.value.message) == (
        "fine_tuning_not_available",
        "Your organization cannot fine-tune.",
    )
    assert isinstance(refused.value.__cause__, openai.PermissionDeniedError)
