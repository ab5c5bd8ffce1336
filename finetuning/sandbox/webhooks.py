"""``/webhook_endpoints`` and ``/webhook_event_types``: who is told when a job ends."""

import base64
import json
import secrets
import sqlite3
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from finetuning.sandbox import deliveries
from finetuning.sandbox.errors import ApiError, no_such_object
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id

JOB_EVENT_TYPES = ("fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled")
# The list of openai 3.54; the sandbox sends only the events of jobs, and any of them as a test.
EVENT_TYPES = (
    *("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"),
    *("response.completed", "response.failed", "response.cancelled", "response.incomplete"),
    *("eval.run.succeeded", "eval.run.failed", "eval.run.canceled"),
    *JOB_EVENT_TYPES,
    *("realtime.call.incoming", "video.completed", "video.failed"),
    *("agent.environment.ready", "agent.environment.failed", "agent.environment.suspended"),
    *("agent.environment.expired", "agent.session.created", "agent.session.action_required"),
    *("agent.session.in_progress", "agent.session.idle", "agent.session.failed", "safety.alert.created"),
)
ROTATION_SECONDS = 24 * 3600
SETTINGS_ENDPOINT_ID = "whe_settings"

Name = Annotated[str, Meta(min_length=1, max_length=256)]
EventTypes = Annotated[list[str], Meta(min_length=1)]


class CreateEndpoint(msgspec.Struct):
    """Body of ``POST /webhook_endpoints``."""

    event_types: EventTypes
    name: Name
    url: str


class UpdateEndpoint(msgspec.Struct):
    """Body of ``POST /webhook_endpoints/{id}``."""

    event_types: EventTypes | None = None
    name: Name | None = None
    url: str | None = None


class RotateSecret(msgspec.Struct):
    """Body of ``POST /webhook_endpoints/{id}/rotate_secret``."""

    keep_old_secret_active_for_24_hours: bool = False


class SendTest(msgspec.Struct):
    """Body of ``POST /webhook_endpoints/{id}/test``."""

    event_type: str


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /webhook_endpoints``; the secret is shown here and never again."""
    body = request.json(CreateEndpoint)
    _check(sandbox, body.url, body.event_types)
    row = _insert(sandbox, new_id("whe_"), body, _new_secret())
    return json_response({**_endpoint_object(row), "signing_secret": row["secret"]})


def retrieve(sandbox: Sandbox, request: Request, endpoint_id: str) -> Response:
    """Answer ``GET /webhook_endpoints/{id}``."""
    return json_response(_endpoint_object(_find(sandbox, endpoint_id)))


def update(sandbox: Sandbox, request: Request, endpoint_id: str) -> Response:
    """Answer ``POST /webhook_endpoints/{id}``: only what is given changes."""
    body = request.json(UpdateEndpoint)
    row = _find(sandbox, endpoint_id)
    url, name = body.url or row["url"], body.name or row["name"]
    event_types = body.event_types or json.loads(row["event_types"])
    _check(sandbox, url, event_types)
    values = {"url": url, "name": name, "event_types": json.dumps(event_types)}
    return json_response(_endpoint_object(_update(sandbox, endpoint_id, values)))


def list_endpoints(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /webhook_endpoints?after&limit``, newest first."""
    rows, has_more = sandbox.store.page(
        "webhook_endpoints", order="desc", after=request.query.get("after"), limit=request.limit(20, 100)
    )
    return list_response([_endpoint_object(row) for row in rows], has_more=has_more)


def delete(sandbox: Sandbox, request: Request, endpoint_id: str) -> Response:
    """Answer ``DELETE /webhook_endpoints/{id}``; what was not delivered yet is dropped."""
    _find(sandbox, endpoint_id)
    with sandbox.store.write() as db:
        db.execute("DELETE FROM webhook_endpoints WHERE id = ?", [endpoint_id])
    return json_response({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


def rotate_secret(sandbox: Sandbox, request: Request, endpoint_id: str) -> Response:
    """Answer ``POST /webhook_endpoints/{id}/rotate_secret``."""
    body = request.json(RotateSecret)
    old = _find(sandbox, endpoint_id)
    values: Json = {"secret": _new_secret(), "old_secret": None, "old_secret_until": None}  # nosec B105 - none is left
    if body.keep_old_secret_active_for_24_hours:
        values |= {"old_secret": old["secret"], "old_secret_until": sandbox.now() + ROTATION_SECONDS}
    row = _update(sandbox, endpoint_id, values)
    return json_response({**_endpoint_object(row), "signing_secret": row["secret"]})


def send_test(sandbox: Sandbox, request: Request, endpoint_id: str) -> Response:
    """Answer ``POST /webhook_endpoints/{id}/test``: sends one event now and says how it was received.

    Raises ``ApiError`` 400 when the endpoint did not answer 2xx.
    """
    body = request.json(SendTest)
    endpoint = _find(sandbox, endpoint_id)
    _check_event_types([body.event_type])
    status = 200 if sandbox.lenient else _send_now(sandbox, endpoint_id, body.event_type)
    if not deliveries.is_accepted(status):
        answer = f"answered {status}" if status else "did not answer"
        raise ApiError(
            400, f"The test delivery failed: {endpoint['url']} {answer}.", param="webhook_endpoint_id"
        )
    return json_response(
        {
            "object": "webhook_endpoint.test",
            "webhook_endpoint_id": endpoint_id,
            "event_type": body.event_type,
            "status_code": status,
            "success": True,
        }
    )


def list_event_types(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /webhook_event_types``."""
    return json_response({"object": "list", "data": list(EVENT_TYPES)})


def configure(sandbox: Sandbox) -> None:
    """Make the endpoint of the settings exist exactly when the settings name one.

    Raises ``ValueError`` for an address that is none, or has no secret that receivers can verify.
    """
    url, secret = sandbox.settings.webhook_url, sandbox.settings.webhook_secret
    with sandbox.store.write() as db:
        db.execute("DELETE FROM webhook_endpoints WHERE id = ?", [SETTINGS_ENDPOINT_ID])
    if url is None:
        return
    if not is_address(url):
        raise ValueError(f"The webhook URL '{url}' is no http or https address.")
    if secret is None or not deliveries.is_secret(secret):
        raise ValueError("A webhook URL needs a webhook secret: whsec_ followed by base64.")
    body = CreateEndpoint(event_types=list(JOB_EVENT_TYPES), name="From the settings", url=url)
    _insert(sandbox, SETTINGS_ENDPOINT_ID, body, secret)


def _check(sandbox: Sandbox, url: str, event_types: list[str]) -> None:
    _check_event_types(event_types)
    if not sandbox.lenient and not is_address(url):
        raise ApiError(400, f"Invalid 'url': expected an http or https address, got '{url}'.", param="url")


def is_address(url: str) -> bool:
    """Return whether deliveries could be sent there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _check_event_types(event_types: list[str]) -> None:
    for event_type in event_types:
        if event_type not in EVENT_TYPES:
            raise ApiError(
                400, f"Invalid event type: '{event_type}'.", param="event_types", code="invalid_value"
            )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _find(sandbox: Sandbox, endpoint_id: str) -> sqlite3.Row:
    row = sandbox.store.row("webhook_endpoints", endpoint_id)
    if row is not None:
        return row
    if not sandbox.lenient:
        raise no_such_object("WebhookEndpoint", endpoint_id)
    body = CreateEndpoint(event_types=["batch.completed"], name="Example", url="https://")
    return _insert(sandbox, endpoint_id, body, _new_secret())


def _insert(sandbox: Sandbox, endpoint_id: str, body: CreateEndpoint, secret: str) -> sqlite3.Row:
    now = sandbox.now()
    with sandbox.store.write() as db:
        row: sqlite3.Row = db.execute(
            "INSERT INTO webhook_endpoints (id, created_at, updated_at, name, url, event_types, secret)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
            [endpoint_id, now, now, body.name, body.url, json.dumps(body.event_types), secret],
        ).fetchone()
        return row


def _update(sandbox: Sandbox, endpoint_id: str, values: Json) -> sqlite3.Row:
    # Columns are named by the code of this module, never by a request.
    assignments = ", ".join(f"{column} = ?" for column in values)
    with sandbox.store.write() as db:
        row: sqlite3.Row = db.execute(
            f"UPDATE webhook_endpoints SET updated_at = ?, {assignments} WHERE id = ? RETURNING *",  # nosec B608 # noqa: S608 - our own names
            [sandbox.now(), *values.values(), endpoint_id],
        ).fetchone()
        return row


def _send_now(sandbox: Sandbox, endpoint_id: str, event_type: str) -> int:
    now = sandbox.now()
    with sandbox.store.write() as db:
        delivery_id = deliveries.add(db, endpoint_id, event_type, {"id": new_id("ftjob-")}, now)
        # Never due: a test is sent once, here, and not again by the delivery thread.
        delivery = db.execute(
            "UPDATE deliveries SET next_at = NULL WHERE id = ? RETURNING *", [delivery_id]
        ).fetchone()
    return deliveries.send(sandbox, delivery, now)


def _endpoint_object(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "object": "webhook_endpoint",
        "created_at": int(row["created_at"]),
        "updated_at": int(row["updated_at"]),
        "name": row["name"],
        "url": row["url"],
        "event_types": json.loads(row["event_types"]),
        "signing_secret_hint": row["secret"][-4:],
    }
