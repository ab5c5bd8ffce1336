"""Webhook deliveries: queued with the end of a job, signed by Standard Webhooks, retried for 72 hours."""

import base64
import binascii
import hashlib
import hmac
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from finetuning.sandbox import faults
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id

USER_AGENT = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"
GIVE_UP_SECONDS = 72 * 3600
TIMEOUT_SECONDS = 5.0
# A claimed delivery is left alone this long; then another process takes it over.
CLAIM_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is a failed delivery, as it is for the vendor."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def queue(db: sqlite3.Connection, job_id: str, event_type: str, at: float) -> None:
    """Add a delivery for every endpoint that asked for this event type."""
    for endpoint in db.execute("SELECT * FROM webhook_endpoints").fetchall():
        if event_type in json.loads(endpoint["event_types"]):
            add(db, endpoint["id"], event_type, {"id": job_id}, at)


def add(db: sqlite3.Connection, endpoint_id: str, event_type: str, data: dict[str, str], at: float) -> str:
    """Add one delivery, due at once, and return its id."""
    delivery_id = new_id("wh_", 32)
    body = {
        "id": new_id("evt_", 32),
        "object": "event",
        "created_at": int(at),
        "type": event_type,
        "data": data,
    }
    db.execute(
        "INSERT INTO deliveries (id, endpoint_id, created_at, body, next_at) VALUES (?, ?, ?, ?, ?)",
        [delivery_id, endpoint_id, at, json.dumps(body).encode(), at],
    )
    return delivery_id


def deliver_due(sandbox: Sandbox, now: float) -> int:
    """Send every delivery that is due; return how many arrived. Each is claimed first, recorded after."""
    arrived = 0
    with sandbox.store.read() as db:
        due = [
            row["id"]
            for row in db.execute("SELECT id FROM deliveries WHERE next_at <= ? ORDER BY seq", [now])
        ]
    for delivery_id in due:
        claimed = _claim(sandbox, delivery_id, now)
        if claimed is not None and (status := _send_or_fail(sandbox, claimed, now)) is not None:
            _record(sandbox, claimed, status, now)
            arrived += is_accepted(status)
    return arrived


def _send_or_fail(sandbox: Sandbox, delivery: sqlite3.Row, now: float) -> int | None:
    """Send the delivery as its faults demand; None when it was put off instead."""
    # A retry is sent as it should be, or a delivery that was put off would never arrive.
    is_first = delivery["attempts"] == 0 and not _was_put_off(sandbox, delivery["id"])
    body = bytes(delivery["body"]).decode()
    striking = faults.striking(sandbox, faults.WEBHOOK, body) if is_first else []
    kinds = {fault.kind for fault in striking}
    late = sum(fault.seconds for fault in striking if fault.kind == "webhook_late")
    # Put off by a different time each, deliveries overtake one another.
    late += sum(
        fault.seconds * (delivery["seq"] % 2) for fault in striking if fault.kind == "webhook_reordered"
    )
    if "webhook_lost" in kinds:
        return HTTPStatus.GONE
    if late > 0:
        _put_off(sandbox, delivery["id"], now + late)
        return None
    if "webhook_bad_signature" in kinds:
        delivery_secret = base64.b64encode(b"not the secret").decode()
        return send(sandbox, delivery, now, secret=f"whsec_{delivery_secret}")
    if "webhook_doubled" in kinds:
        send(sandbox, delivery, now)
    return send(sandbox, delivery, now)


def _was_put_off(sandbox: Sandbox, delivery_id: str) -> bool:
    with sandbox.store.read() as db:
        found = db.execute("SELECT 1 FROM put_off WHERE delivery_id = ?", [delivery_id]).fetchone()
    return found is not None


def _put_off(sandbox: Sandbox, delivery_id: str, until: float) -> None:
    with sandbox.store.write() as db:
        db.execute("INSERT OR IGNORE INTO put_off VALUES (?)", [delivery_id])
        db.execute("UPDATE deliveries SET next_at = ? WHERE id = ?", [until, delivery_id])


def send(sandbox: Sandbox, delivery: sqlite3.Row, now: float, *, secret: str | None = None) -> int:
    """POST one delivery and return the HTTP status: 0 for no answer, 410 for a deleted endpoint.

    ``secret`` signs in place of the endpoint's own.
    """
    endpoint = sandbox.store.row("webhook_endpoints", delivery["endpoint_id"])
    if endpoint is None:
        return HTTPStatus.GONE
    own = {name: endpoint[name] for name in endpoint.keys()}  # noqa: SIM118 - a Row iterates over its values
    forged = {"secret": secret, "old_secret": None} if secret else {}  # nosec B105 - given by the caller
    return _post({**own, **forged}, delivery, now)


def is_accepted(status: int) -> bool:
    """Return whether the receiver took the delivery: any 2xx."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _record(sandbox: Sandbox, delivery: sqlite3.Row, status: int, now: float) -> None:
    waited = min(LONGEST_WAIT_SECONDS, 5.0 * 2 ** min(delivery["attempts"], 20))
    is_over = (
        is_accepted(status) or status == HTTPStatus.GONE or now - delivery["created_at"] > GIVE_UP_SECONDS
    )
    with sandbox.store.write() as db:
        db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE id = ?",
            [None if is_over else now + waited, delivery["id"]],
        )


def signatures(endpoint: Mapping[str, Any], delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: one per valid secret, during a rotation two."""
    secrets = [endpoint["secret"]]
    if endpoint["old_secret"] and endpoint["old_secret_until"] > timestamp:
        secrets.append(endpoint["old_secret"])
    return " ".join(f"v1,{_sign(secret, delivery_id, timestamp, body)}" for secret in secrets)


def secret_key(secret: str) -> bytes:
    """Return the HMAC key of a secret: base64 after ``whsec_``, else its bytes. Raises ``binascii.Error``."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return secret.encode()


def is_secret(secret: str) -> bool:
    """Return whether receivers could verify with this secret."""
    try:
        return bool(secret_key(secret))
    except binascii.Error:
        return False


def _claim(sandbox: Sandbox, delivery_id: str, now: float) -> sqlite3.Row | None:
    with sandbox.store.write() as db:
        row: sqlite3.Row | None = db.execute(
            "UPDATE deliveries SET next_at = ? WHERE id = ? AND next_at <= ? RETURNING *",
            [now + CLAIM_SECONDS, delivery_id, now],
        ).fetchone()
        return row


def _sign(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(secret_key(secret), signed, hashlib.sha256).digest()).decode()


def _post(endpoint: Mapping[str, Any], delivery: sqlite3.Row, now: float) -> int:
    timestamp = int(now)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": delivery["id"],
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(endpoint, delivery["id"], timestamp, delivery["body"]),
    }
    # Addresses are checked to be http or https when an endpoint is made.
    request = urllib.request.Request(  # noqa: S310
        endpoint["url"], data=delivery["body"], headers=headers, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
