"""Answer a request as the faults that strike it demand: before the effect, after it, or in the answer."""

import dataclasses
import io
import sqlite3
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from finetuning.sandbox import faults
from finetuning.sandbox.errors import ApiError, no_such_model
from finetuning.sandbox.faults import Fault
from finetuning.sandbox.http import Json, Request, Response, json_response
from finetuning.sandbox.multipart import Readable
from finetuning.sandbox.state import Sandbox

# Names stand at the start of a body; a longer one is a file's content.
SEARCHED_BYTES = 64 << 10
HUGE_BODY_BYTES = 200 << 20
PIECE_BYTES = 1 << 20
DRIP_PIECES = 10_000
SMALL_PAGE_ROWS = 2

Handle = Callable[[Request], Response]


class ConnectionDropped(Exception):
    """The answer is not to be sent, or not to its end: the server closes the connection."""


def answer(sandbox: Sandbox, request: Request, route: str, handle: Handle) -> Response:
    """Return what ``handle`` answers, changed by the faults that strike. Raises ``ConnectionDropped``."""
    request, head = _with_head(request)
    striking = faults.striking(sandbox, route, _named(sandbox, request, head))
    if not striking:
        return handle(request)
    for fault in striking:
        request = _rewritten(fault, request)
    for fault in striking:
        if (refusal := _before(sandbox, fault, request, head)) is not None:
            return refusal
    response = handle(request)
    for fault in striking:
        response = _after(sandbox, fault, response)
    return response


def perform_late(sandbox: Sandbox, handle: Handle) -> None:
    """Do what was asked for some time ago by requests that ``commit_late`` struck."""
    with sandbox.store.read() as db:
        is_due = db.execute("SELECT 1 FROM late WHERE due_at <= ?", [sandbox.now()]).fetchone()
    if not is_due:
        return
    with sandbox.store.write() as db:
        due = db.execute("DELETE FROM late WHERE due_at <= ? RETURNING *", [sandbox.now()]).fetchall()
    for row in sorted(due, key=lambda row: row["seq"]):
        # Its client has gone; a refusal has nobody to read it.
        with suppress(ApiError):
            handle(_late_request(row))


def _late_request(row: sqlite3.Row) -> Request:
    return Request(
        method=row["method"],
        path=row["path"],
        query={},
        authorization="",
        content_type=row["content_type"],
        stream=io.BytesIO(row["body"]),
    )


class _Rejoined:
    """A stream whose start was read ahead."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self.head = io.BytesIO(head)
        self.rest = rest

    def read(self, size: int) -> bytes:
        return self.head.read(size) or self.rest.read(size)


def _with_head(request: Request) -> tuple[Request, str]:
    head = bytearray()
    while len(head) < SEARCHED_BYTES and (piece := request.stream.read(SEARCHED_BYTES - len(head))):
        head.extend(piece)
    rejoined = dataclasses.replace(request, stream=_Rejoined(bytes(head), request.stream))
    return rejoined, head.decode("utf-8", "replace")


def _named(sandbox: Sandbox, request: Request, head: str) -> str:
    """Return a text with every name in the request, and with the reference and files of the job it is on."""
    names = [request.path, *request.query.values(), head]
    parts = request.path.split("/")
    if request.path.startswith("/fine_tuning/jobs/") and (row := sandbox.store.row("jobs", parts[3])):
        names += [row["metadata"] or "", bytes(row["request"]).decode()]
    return "\n".join(names)


def _rewritten(fault: Fault, request: Request) -> Request:
    if fault.kind == "filter_ignored":
        kept = {name: text for name, text in request.query.items() if not name.startswith("metadata")}
        return dataclasses.replace(request, query=kept)
    if fault.kind == "small_pages":
        return dataclasses.replace(request, query={**request.query, "limit": str(SMALL_PAGE_ROWS)})
    return request


def _before(sandbox: Sandbox, fault: Fault, request: Request, head: str) -> Response | None:
    match fault.kind:
        case "delay":
            time.sleep(max(0.0, fault.seconds))
        case "drop":
            raise ConnectionDropped
        case "commit_late":
            _keep_for_later(sandbox, fault, request)
            raise ConnectionDropped
        case "error":
            return _error(fault)
        case "redirect":
            return Response(status=301, body=[b""], headers={"Location": "http://redirected.invalid/v1"})
        case "cursor_invalid" if "after" in request.query:
            raise ApiError(400, f"Invalid cursor: '{request.query['after']}'.", param="after")
        case "model_cold":
            _refuse_fresh_model(sandbox, fault, head)
        case "key_refused" | "quota_exceeded" | "account_refused" | "model_retired":
            _refuse(fault, request)
    return None


def _keep_for_later(sandbox: Sandbox, fault: Fault, request: Request) -> None:
    body = b"".join(iter(lambda: request.stream.read(PIECE_BYTES), b""))
    with sandbox.store.write() as db:
        db.execute(
            "INSERT INTO late (due_at, method, path, content_type, body) VALUES (?, ?, ?, ?, ?)",
            [sandbox.now() + fault.seconds, request.method, request.path, request.content_type, body],
        )


def _error(fault: Fault) -> Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    error = ApiError(fault.status, "The sandbox was told to fail here.", type="server_error")
    return dataclasses.replace(json_response(error.body(), fault.status), headers=headers)


def _refuse_fresh_model(sandbox: Sandbox, fault: Fault, head: str) -> None:
    with sandbox.store.read() as db:
        since = sandbox.now() - fault.seconds
        fresh = db.execute("SELECT id FROM models WHERE created_at > ?", [since]).fetchall()
    for row in fresh:
        if row["id"] in head:
            raise no_such_model(row["id"])


def _refuse(fault: Fault, request: Request) -> None:
    if fault.kind == "key_refused":
        raise ApiError(401, "Incorrect API key provided: sk-***.", code="invalid_api_key")
    if fault.kind == "quota_exceeded":
        message = "You exceeded your current quota, please check your plan and billing details."
        raise ApiError(429, message, type="insufficient_quota", code="insufficient_quota")
    if fault.kind == "account_refused":
        # The vendor's words for this are not published; these are ours.
        message = "Your organization cannot create fine-tuning jobs. Fine-tuning is being wound down."
        raise ApiError(403, message, code="fine_tuning_not_available")
    if request.method == "POST":
        message = "The model is not available for fine-tuning or does not exist."
        raise ApiError(400, message, param="model", code="model_not_available")


def _after(sandbox: Sandbox, fault: Fault, response: Response) -> Response:
    match fault.kind:
        case "delay_after":
            time.sleep(max(0.0, fault.seconds))
        case "drop_after":
            raise ConnectionDropped
        case "error_after":
            return _error(fault)
        case "reset_mid_body" | "drip" | "huge_body" | "wrong_content_type" | "truncated_json":
            return _mangled(fault, response)
        case "plain_results":
            plain = b64decode(b"".join(response.body))
            headers = {**response.headers, "Content-Length": str(len(plain))}
            return dataclasses.replace(response, body=[plain], headers=headers)
        case kind if kind in EDITS and response.content_type == "application/json":
            document = EDITS[kind](sandbox, fault, msgspec.json.decode(b"".join(response.body)))
            body = msgspec.json.encode(document).replace(b'"\\u0000nan"', b"NaN")
            return dataclasses.replace(response, body=[body])
    return response


def _mangled(fault: Fault, response: Response) -> Response:
    body = b"".join(response.body)
    half = body[: len(body) // 2]
    match fault.kind:
        case "truncated_json":
            return dataclasses.replace(response, body=[half])
        case "wrong_content_type":
            return dataclasses.replace(response, content_type="text/html", body=[b"<h1>Welcome</h1>"])
        case "huge_body":
            padding = (b" " * PIECE_BYTES for _ in range(HUGE_BODY_BYTES // PIECE_BYTES))
            return dataclasses.replace(response, body=chain([body], padding))
        case "drip":
            return dataclasses.replace(response, body=_drip(body, fault.seconds))
    headers = {**response.headers, "Content-Length": str(len(body))}
    return dataclasses.replace(response, body=_break_off(half), headers=headers)


def _break_off(half: bytes) -> Iterator[bytes]:
    yield half
    raise ConnectionDropped


def _drip(body: bytes, seconds: float) -> Iterator[bytes]:
    """Send a byte, wait, and go on with blanks when the body is over: the end never comes in useful time."""
    for position in range(DRIP_PIECES):
        yield body[position : position + 1] or b" "
        time.sleep(max(0.0, seconds))


Edit = Callable[[Sandbox, Fault, Any], Any]


def _with(document: Json, **fields: Any) -> Json:
    return {**document, **fields}


def _with_status(document: Json, word: str) -> Json:
    rows = [_with_status(row, word) for row in document.get("data") or [] if isinstance(row, dict)]
    changed = _with(document, data=rows) if rows else document
    return _with(changed, status=word) if "status" in document else changed


def _without(document: Json, field: str) -> Json:
    return {name: value for name, value in document.items() if name != field}


def _list_lag(sandbox: Sandbox, fault: Fault, document: Json) -> Json:
    visible_until = sandbox.now() - fault.seconds
    return _with(document, data=[row for row in document["data"] if row["created_at"] <= visible_until])


def _skewed(value: Any, seconds: float) -> Any:
    if isinstance(value, list):
        return [_skewed(item, seconds) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: int(item + seconds)
        if isinstance(item, int) and (name.endswith("_at") or name == "estimated_finish")
        else _skewed(item, seconds)
        for name, item in value.items()
    }


def _retired(sandbox: Sandbox, document: Json) -> Json:
    yesterday = (datetime.fromtimestamp(sandbox.now(), UTC) - timedelta(days=1)).date().isoformat()
    return _with(document, data=[_with(row, shutdown_date=yesterday) for row in document["data"]])


EDITS: dict[str, Edit] = {
    "nan": lambda _, fault, document: _with(document, **{fault.field: "\0nan"}),
    "missing_field": lambda _, fault, document: _without(document, fault.field),
    "set_field": lambda _, fault, document: _with(document, **{fault.field: fault.value}),
    "unknown_status": lambda _, fault, document: _with_status(document, fault.value or "thinking"),
    "status_backwards": lambda _, fault, document: _with_status(document, "queued"),
    "empty_error": lambda _, fault, document: _with(document, error={}),
    "missing_has_more": lambda _, fault, document: _without(document, "has_more"),
    "duplicate_rows": lambda _, fault, document: _with(
        document, data=[row for row in document.get("data", []) for _ in range(2)]
    ),
    "list_lag": _list_lag,
    "clock_skew": lambda _, fault, document: _skewed(document, fault.seconds),
    "model_retired": lambda sandbox, _, document: _retired(sandbox, document),
}
