"""Whom the gateway answers, and how often."""

import asyncio
import hashlib
import json
import socket
import time
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest
from django.db import InterfaceError, connection, transaction
from django.utils import timezone

from finetuning.log_context import ContextFilter
from finetuning.models import WebhookDelivery, Workspace
from finetuning.webhooks.events import EVENT_TYPES
from models_registry import api_keys
from models_registry import services as registry
from models_registry.gateway import directory
from models_registry.gateway.errors import GatewayError
from models_registry.usage import CallRecord, add_usage
from tests.factories import FineTunedModelFactory
from tests.gateway.conftest import away
from tests.gateway.upstream import completion
from tests.waiting import wait_until

ASK = {"model": "real-model", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def issue(organization, member, upstream):
    upstream.answer("real-model", completion(prompt_tokens=90, completion_tokens=10))

    def issue(**columns):
        return api_keys.issue_key(organization, by=member, **{"name": "Key", **columns})

    return issue


@pytest.mark.parametrize(
    "header", [None, "Bearer at-0000", "Bearer sk-other", "Basic YTpi", "Bearer", "at-1"]
)
def test_answers_nobody_without_a_key(gateway, make_model, header):
    make_model()
    headers = {"Authorization": header} if header else {}

    answer = httpx2.post(f"{gateway.url}/chat/completions", json=ASK, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_logs_who_had_no_key_and_not_what_was_sent(gateway, caplog):
    headers = {"Authorization": "Bearer at-kept-nowhere", "X-Request-Id": "mine-1"}

    with caplog.filtering(ContextFilter()):
        httpx2.get(f"{gateway.url}/models", headers=headers)

    [record] = [record for record in caplog.records if record.name == "models_registry.gateway.app"]
    assert record.getMessage() == "refused a call: 401 invalid_api_key"
    assert (record.request_id, record.address) == ("mine-1", "127.0.0.1")
    assert "kept-nowhere" not in caplog.text


def test_does_not_take_a_key_with_the_right_beginning(gateway, make_model, key):
    make_model()

    assert gateway.post(key[:-1] + ("a" if key[-1] != "a" else "b"), ASK).status_code == 401


def test_keeps_only_a_hash_of_a_key(organization, key):
    row = organization.api_keys.get()

    assert row.digest == hashlib.sha256(key.encode()).hexdigest()
    assert key not in str(vars(row))


def test_refuses_a_revoked_key_within_a_second(gateway, make_model, issue):
    make_model()
    row, clear = issue()
    assert gateway.post(clear, ASK).status_code == 200

    row.revoke(now=timezone.now())
    revoked = time.monotonic()
    wait_until(lambda: gateway.post(clear, ASK).status_code == 401, seconds=1)

    assert time.monotonic() - revoked < 1


def test_forgets_a_busy_key_too(gateway, make_model, issue):
    """One that is asked for all the time, so that it is never looked up anew by a waiting call."""
    make_model()
    row, clear = issue()
    row.revoke(now=timezone.now())
    revoked = time.monotonic()

    statuses = []
    while time.monotonic() - revoked < 2:
        asked = time.monotonic() - revoked
        statuses.append((asked, gateway.post(clear, ASK).status_code))

    assert {status for asked, status in statuses if asked >= 1} == {401}
    assert directory.KNOWN_SECONDS < 1


def test_reaches_nothing_of_another_organization(gateway, other_organization, make_model, issue):
    theirs = FineTunedModelFactory(
        organization=other_organization, deployed=True, provider_model_id="ft:theirs"
    )
    other_organization.agents.create(name="their-bot", model=theirs)
    make_model()
    _, clear = issue()

    for name in ("their-bot", "ft:theirs", str(theirs.pk)):
        answer = gateway.post(clear, ASK | {"model": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    listed = httpx2.get(f"{gateway.url}/models", headers={"Authorization": f"Bearer {clear}"}).json()
    assert [model["id"] for model in listed["data"]] == ["real-model"]


def test_keeps_a_key_to_its_agents(gateway, make_model, make_agent, issue):
    model = make_model()
    ours, other = make_agent("ours", model=model), make_agent("other", model=model)
    _, clear = issue(agents=[ours])

    statuses = [
        gateway.post(clear, ASK | {"model": name}).status_code
        for name in (ours.name, other.name, "real-model")
    ]

    assert statuses == [200, 404, 404]


def test_keeps_a_key_to_its_workspaces(gateway, organization, make_model, make_agent, issue):
    support = Workspace.objects.create(organization=organization, name="Support")
    model = make_model()
    make_agent("inside", model=model, workspace=support)
    make_agent("outside", model=model)
    _, clear = issue(workspaces=[support])

    statuses = [gateway.post(clear, ASK | {"model": name}).status_code for name in ("inside", "outside")]

    assert statuses == [200, 404]


def test_answers_no_key_of_a_deleted_organization(gateway, organization, make_model, issue):
    make_model()
    _, clear = issue()
    organization.mark_deleted(now=timezone.now())

    assert gateway.post(clear, ASK).status_code == 401


@pytest.mark.parametrize("columns", [{"deployed": False}, {"deployed": False, "status": "archived"}])
def test_calls_only_deployed_models(gateway, make_model, issue, columns):
    make_model(**columns)
    _, clear = issue()

    assert gateway.post(clear, ASK).status_code == 404


def test_tells_to_come_back_while_keys_cannot_be_checked(gateway, make_model, issue):
    make_model()
    _, clear = issue()
    with away("api_keys"):
        answer = gateway.post(clear, ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert gateway.post(clear, ASK).status_code == 200


def test_tells_to_come_back_when_a_connection_is_lost():
    def lose():
        raise InterfaceError("connection already closed")

    with pytest.raises(GatewayError) as refused:
        asyncio.run(directory.Directory().ask(lose))

    assert (refused.value.http_status, refused.value.code) == (503, "gateway_unavailable")


def test_knows_no_model_whose_name_the_database_cannot_hold(gateway, key):
    answer = gateway.post(key, ASK | {"model": "real\0model"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_waits_for_no_database_that_hangs(gateway, make_model, issue, monkeypatch):
    make_model()
    _, clear = issue()
    monkeypatch.setattr(directory, "PATIENCE_SECONDS", 0.2)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")

        assert gateway.post(clear, ASK).status_code == 503


def test_limits_the_requests_of_a_minute(gateway, make_model, issue):
    make_model()
    _, clear = issue(requests_per_minute=2)

    answers = [gateway.post(clear, ASK) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"] | {"message": ""} == {
        "message": "",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert 0 < int(answers[2].headers["retry-after"]) <= 60


def test_limits_the_list_of_models_too(gateway, make_model, issue):
    make_model()
    _, clear = issue(requests_per_minute=1)
    headers = {"Authorization": f"Bearer {clear}"}

    statuses = [httpx2.get(f"{gateway.url}/models", headers=headers).status_code for _ in range(2)]

    assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("columns", "length", "status"),
    [
        (None, 1_000, b"401"),
        ({"requests_per_minute": 0}, 1_000, b"429"),
        ({}, 100 * 1024 * 1024, b"413"),
    ],
)
def test_refuses_before_the_body_has_come(gateway, make_model, issue, columns, length, status):
    make_model()
    clear = "at-0000" if columns is None else issue(**columns)[1]
    port = int(gateway.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"Host: x\r\nAuthorization: Bearer {clear}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + head.encode())

        assert connection.recv(12) == b"HTTP/1.1 " + status


def test_limits_the_tokens_of_a_minute(gateway, make_model, issue):
    make_model()
    _, clear = issue(tokens_per_minute=150)
    _, unlimited = issue()

    answers = [gateway.post(clear, ASK).status_code for _ in range(2)]
    # The tokens are added beside the answer, so a third may slip through.
    wait_until(lambda: gateway.post(clear, ASK).status_code == 429)

    assert answers == [200, 200]
    assert gateway.post(unlimited, ASK).status_code == 200


def test_answers_without_redis(gateway, settings, make_model, issue, tmp_path):
    make_model()
    _, clear = issue(requests_per_minute=1)
    parts = gateway.server.config.app.application._parts
    parts.limits._client.connection_pool.connection_kwargs["path"] = str(tmp_path / "nothing")

    assert [gateway.post(clear, ASK).status_code for _ in range(3)] == [200, 200, 200]


def test_stops_at_the_spending_cap(gateway, organization, make_model, issue):
    model = make_model()
    _, clear = issue()
    organization.cap_spending(1, now=timezone.now())
    assert gateway.post(clear, ASK).status_code == 200

    # 1,250,000 tokens of prompt at $0.80 a million.
    registry.record_usage(model, prompt_tokens=1_250_000, completion_tokens=0, latency_ms=1)
    wait_until(lambda: gateway.post(clear, ASK).status_code == 402)

    error = gateway.post(clear, ASK).json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "spending_cap_reached")
    organization.cap_spending(2, now=timezone.now())
    wait_until(lambda: gateway.post(clear, ASK).status_code == 200)


def test_warns_once_at_four_fifths(organization, make_model):
    endpoint = organization.webhook_endpoints.create(
        url="https://example.com/hook", event_types=["spending.warned"]
    )
    organization.cap_spending(1, now=timezone.now())
    model = make_model()

    for tokens in (900_000, 150_000, 50_000):
        registry.record_usage(model, prompt_tokens=tokens, completion_tokens=0, latency_ms=1)

    (delivery,) = endpoint.deliveries.all()
    assert "spending.warned" in EVENT_TYPES
    assert delivery.event_type == "spending.warned"


@pytest.fixture
def call(make_model):
    """A call that costs a dollar, ended at `moment`."""
    model = make_model()

    def call(moment, **columns):
        return CallRecord(
            **{
                "ended_at": moment.timestamp(),
                "organization_id": model.organization_id,
                "provider_model_id": "m",
                "price_usd": Decimal(1),
                **columns,
            }
        )

    return call


NOVEMBER, DECEMBER = datetime(2026, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def warnings(organization):
    deliveries = WebhookDelivery.objects.filter(endpoint__organization=organization)
    return [
        json.loads(delivery.body)["data"]["month"] for delivery in deliveries.order_by("created_at", "id")
    ]


@pytest.fixture
def hear(organization, other_organization):
    for one in (organization, other_organization):
        one.webhook_endpoints.create(url="https://example.com/hook", event_types=["spending.warned"])


def test_warns_each_organization_of_each_month(hear, organization, other_organization, call):
    for one, cap in ((organization, 1), (other_organization, 2)):
        one.cap_spending(cap, now=timezone.now())

    add_usage(
        [
            call(NOVEMBER),
            call(DECEMBER),
            call(NOVEMBER, organization_id=other_organization.pk),
            call(NOVEMBER, organization_id=other_organization.pk),
            call(DECEMBER, organization_id=other_organization.pk),
        ]
    )

    assert warnings(organization) == ["2026-11", "2026-12"]
    assert warnings(other_organization) == ["2026-11"]


def test_does_not_warn_anew_when_the_same_cap_is_saved(hear, organization, call):
    for _ in range(2):
        organization.cap_spending(1, now=timezone.now())
        add_usage([call(NOVEMBER)])
    assert warnings(organization) == ["2026-11"]

    organization.cap_spending(3, now=timezone.now())
    add_usage([call(NOVEMBER)])

    assert warnings(organization) == ["2026-11", "2026-11"]


def test_a_cap_of_nothing_says_so_and_warns_nobody(hear, gateway, organization, make_model, issue, call):
    make_model("other")
    _, clear = issue()
    organization.cap_spending(0, now=timezone.now())
    add_usage([call(timezone.now(), price_usd=Decimal())])

    answer = gateway.post(clear, ASK)

    assert answer.status_code == 402
    assert answer.json()["error"]["message"].startswith("Your organization allows no calls: its cap is $0.")
    assert warnings(organization) == []
