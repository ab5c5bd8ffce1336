"""Stored chat completions: those made with ``store: true``."""

import json
import sqlite3

import msgspec

from finetuning.sandbox import chat
from finetuning.sandbox.errors import no_such_object
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import Order, metadata_conditions


class UpdateCompletion(msgspec.Struct):
    """Body of ``POST /chat/completions/{id}``."""

    metadata: dict[str, str] | None


def list_completions(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /chat/completions?model&metadata[k]=v&after&limit&order``, oldest first by default."""
    conditions = metadata_conditions(request.metadata_filter())
    if model := request.query.get("model"):
        conditions.append(("model = ?", [model]))
    rows, has_more = sandbox.store.page(
        "completions",
        conditions=conditions,
        order=_order(request),
        after=request.query.get("after"),
        limit=request.limit(20, 100),
    )
    return list_response([_object(row) for row in rows], has_more=has_more)


def retrieve(sandbox: Sandbox, request: Request, completion_id: str) -> Response:
    """Answer ``GET /chat/completions/{id}``."""
    return json_response(_object(_find(sandbox, completion_id)))


def update(sandbox: Sandbox, request: Request, completion_id: str) -> Response:
    """Answer ``POST /chat/completions/{id}``: only metadata can change."""
    body = request.json(UpdateCompletion)
    _find(sandbox, completion_id)
    with sandbox.store.write() as db:
        row = db.execute(
            "UPDATE completions SET metadata = ? WHERE id = ? RETURNING *",
            [json.dumps(body.metadata or {}), completion_id],
        ).fetchone()
    return json_response(_object(row))


def delete(sandbox: Sandbox, request: Request, completion_id: str) -> Response:
    """Answer ``DELETE /chat/completions/{id}``."""
    _find(sandbox, completion_id)
    with sandbox.store.write() as db:
        db.execute("DELETE FROM completions WHERE id = ?", [completion_id])
    return json_response({"id": completion_id, "object": "chat.completion.deleted", "deleted": True})


def list_messages(sandbox: Sandbox, request: Request, completion_id: str) -> Response:
    """Answer ``GET /chat/completions/{id}/messages?after&limit&order``.

    The SDK's types know only assistant messages here, so the ``spec`` dialect leaves the others out.
    """
    messages: list[Json] = msgspec.json.decode(_find(sandbox, completion_id)["messages"])
    kept = [
        _message(message) for message in messages if not sandbox.lenient or message["role"] == "assistant"
    ]
    if _order(request) == "desc":
        kept.reverse()
    ids = [message["id"] for message in kept]
    after = request.query.get("after")
    if after is not None:
        kept = kept[ids.index(after) + 1 :] if after in ids else []
    limit = request.limit(20, 100)
    return list_response(kept[:limit], has_more=len(kept) > limit)


def _order(request: Request) -> Order:
    return "desc" if request.query.get("order") == "desc" else "asc"


def _find(sandbox: Sandbox, completion_id: str) -> sqlite3.Row:
    row = sandbox.store.row("completions", completion_id)
    if row is not None:
        return row
    if not sandbox.lenient:
        raise no_such_object("ChatCompletion", completion_id)
    chat.save_example(sandbox, completion_id)
    return _find(sandbox, completion_id)


def _object(row: sqlite3.Row) -> Json:
    return {**msgspec.json.decode(row["body"]), "metadata": json.loads(row["metadata"])}


def _message(message: Json) -> Json:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": None, "content_parts": content}
    return {**message, "content": content, "content_parts": None}
