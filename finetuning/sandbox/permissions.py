"""``/fine_tuning/checkpoints/{model}/permissions``: which projects may use a checkpoint. Only kept."""

import sqlite3
from typing import Annotated

import msgspec
from msgspec import Meta

from finetuning.sandbox import models
from finetuning.sandbox.errors import no_such_object
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id


class CreatePermissions(msgspec.Struct):
    """Body of ``POST .../permissions``."""

    project_ids: Annotated[list[str], Meta(min_length=1)]


def create(sandbox: Sandbox, request: Request, model: str) -> Response:
    """Answer ``POST .../permissions``: one permission for each project."""
    body = request.json(CreatePermissions)
    models.find_tuned(sandbox, model)
    now = sandbox.now()
    with sandbox.store.write() as db:
        rows = [
            db.execute(
                "INSERT INTO permissions (id, created_at, model, project_id) VALUES (?, ?, ?, ?) RETURNING *",
                [new_id("cp_"), now, model, project_id],
            ).fetchone()
            for project_id in body.project_ids
        ]
    return list_response([_object(row) for row in rows], has_more=False)


def list_permissions(sandbox: Sandbox, request: Request, model: str) -> Response:
    """Answer ``GET .../permissions?after&limit&order&project_id``."""
    models.find_tuned(sandbox, model)
    conditions: list[tuple[str, list[object]]] = [("model = ?", [model])]
    if project_id := request.query.get("project_id"):
        conditions.append(("project_id = ?", [project_id]))
    rows, has_more = sandbox.store.page(
        "permissions",
        conditions=conditions,
        order="asc" if request.query.get("order") == "ascending" else "desc",
        after=request.query.get("after"),
        limit=request.limit(10, 100),
    )
    return list_response([_object(row) for row in rows], has_more=has_more)


def delete(sandbox: Sandbox, request: Request, model: str, permission_id: str) -> Response:
    """Answer ``DELETE .../permissions/{id}``. Raises ``ApiError`` 404."""
    with sandbox.store.write() as db:
        found = db.execute(
            "DELETE FROM permissions WHERE id = ? AND model = ? RETURNING id", [permission_id, model]
        ).fetchone()
    if found is None and not sandbox.lenient:
        raise no_such_object("CheckpointPermission", permission_id)
    return json_response({"id": permission_id, "object": "checkpoint.permission", "deleted": True})


def _object(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "object": "checkpoint.permission",
        "created_at": int(row["created_at"]),
        "project_id": row["project_id"],
    }
