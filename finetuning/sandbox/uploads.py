"""``/uploads``: a file sent in parts."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from finetuning.sandbox import files, multipart
from finetuning.sandbox.errors import ApiError, missing_parameter, no_such_object
from finetuning.sandbox.http import Json, Request, Response, json_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id

MAX_UPLOAD_BYTES = 8 << 30
MAX_PART_BYTES = 64 << 20
UPLOAD_LIFETIME_SECONDS = 3600


class ExpiresAfter(msgspec.Struct):
    """How long the finished file lives."""

    anchor: Literal["created_at"]
    seconds: int


class CreateUpload(msgspec.Struct):
    """Body of ``POST /uploads``."""

    bytes: Annotated[int, Meta(ge=0, le=MAX_UPLOAD_BYTES)]
    filename: str
    mime_type: str
    purpose: str
    expires_after: ExpiresAfter | None = None


class CompleteUpload(msgspec.Struct):
    """Body of ``POST /uploads/{id}/complete``."""

    part_ids: list[str]
    md5: str | None = None


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /uploads``."""
    body = request.json(CreateUpload)
    purpose = files.checked_purpose(body.purpose)
    lifetime = files.checked_lifetime(body.expires_after.seconds if body.expires_after else None)
    return json_response(_upload_object(sandbox, _add(sandbox, new_id("upload_"), body, purpose, lifetime)))


def create_part(sandbox: Sandbox, request: Request, upload_id: str) -> Response:
    """Answer ``POST /uploads/{id}/parts``."""
    _require_pending(sandbox, _find(sandbox, upload_id))
    form = multipart.read_form(request.stream, request.content_type, sandbox.store.incoming, MAX_PART_BYTES)
    part = form.files.get("data")
    if part is None:
        multipart.discard(form)
        raise missing_parameter("data")
    part_id, now = new_id("part_"), sandbox.now()
    part.path.replace(sandbox.store.part_path(part_id))
    multipart.discard(form)
    with sandbox.store.write() as db:
        db.execute(
            "INSERT INTO parts (id, upload_id, created_at, bytes) VALUES (?, ?, ?, ?)",
            [part_id, upload_id, now, part.size],
        )
    return json_response(
        {"id": part_id, "object": "upload.part", "created_at": int(now), "upload_id": upload_id}
    )


def complete(sandbox: Sandbox, request: Request, upload_id: str) -> Response:
    """Answer ``POST /uploads/{id}/complete``: the parts in the given order become one file."""
    body = request.json(CompleteUpload)
    upload = _find(sandbox, upload_id)
    _require_pending(sandbox, upload)
    if sandbox.lenient:
        file_id = files.find_file(sandbox, upload["file_id"] or new_id("file-", 22))["id"]
    else:
        joined = _join(sandbox, upload, body)
        file_id = files.add_file(
            sandbox,
            path=joined,
            filename=upload["filename"],
            purpose=upload["purpose"],
            lifetime=upload["file_expires_after"],
        )["id"]
    return json_response(_upload_object(sandbox, _end(sandbox, upload_id, "completed", file_id)))


def cancel(sandbox: Sandbox, request: Request, upload_id: str) -> Response:
    """Answer ``POST /uploads/{id}/cancel``."""
    _require_pending(sandbox, _find(sandbox, upload_id))
    return json_response(_upload_object(sandbox, _end(sandbox, upload_id, "cancelled", None)))


def _add(
    sandbox: Sandbox, upload_id: str, body: CreateUpload, purpose: str, lifetime: int | None
) -> sqlite3.Row:
    now = sandbox.now()
    with sandbox.store.write() as db:
        db.execute(
            "INSERT INTO uploads"
            " (id, created_at, expires_at, filename, purpose, bytes, file_expires_after, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
            [upload_id, now, now + UPLOAD_LIFETIME_SECONDS, body.filename, purpose, body.bytes, lifetime],
        )
        row: sqlite3.Row = db.execute("SELECT * FROM uploads WHERE id = ?", [upload_id]).fetchone()
        return row


def _find(sandbox: Sandbox, upload_id: str) -> sqlite3.Row:
    row = sandbox.store.row("uploads", upload_id)
    if row is not None:
        return row
    if not sandbox.lenient:
        raise no_such_object("Upload", upload_id)
    body = CreateUpload(bytes=0, filename="example.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    return _add(sandbox, upload_id, body, body.purpose, None)


def _status(sandbox: Sandbox, upload: sqlite3.Row) -> str:
    expired = upload["status"] == "pending" and upload["expires_at"] <= sandbox.now()
    return "expired" if expired else str(upload["status"])


def _require_pending(sandbox: Sandbox, upload: sqlite3.Row) -> None:
    status = _status(sandbox, upload)
    if status != "pending" and not sandbox.lenient:
        raise ApiError(400, f"Upload {upload['id']} is {status}; it must be pending.", param="upload_id")


def _join(sandbox: Sandbox, upload: sqlite3.Row, body: CompleteUpload) -> Path:
    target = sandbox.store.incoming / new_id("joined-")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with target.open("wb") as joined:
            for part_id in body.part_ids:
                for chunk in _part_chunks(sandbox, upload["id"], part_id):
                    digest.update(chunk)
                    joined.write(chunk)
        _check_joined(target.stat().st_size, upload["bytes"], digest.hexdigest(), body.md5)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _part_chunks(sandbox: Sandbox, upload_id: str, part_id: str) -> list[bytes]:
    part = sandbox.store.row("parts", part_id)
    if part is None or part["upload_id"] != upload_id:
        raise ApiError(400, f"Upload {upload_id} has no part {part_id}.", param="part_ids")
    return [sandbox.store.part_path(part_id).read_bytes()]


def _check_joined(size: int, declared: int, md5: str, wanted_md5: str | None) -> None:
    if size != declared:
        raise ApiError(
            400, f"The parts have {size} bytes, but the upload declared {declared}.", param="bytes"
        )
    if wanted_md5 is not None and wanted_md5.lower() != md5:
        raise ApiError(400, f"The MD5 checksum of the parts is {md5}, not {wanted_md5}.", param="md5")


def _end(sandbox: Sandbox, upload_id: str, status: str, file_id: str | None) -> sqlite3.Row:
    with sandbox.store.write() as db:
        db.execute("UPDATE uploads SET status = ?, file_id = ? WHERE id = ?", [status, file_id, upload_id])
        parts = db.execute("DELETE FROM parts WHERE upload_id = ? RETURNING id", [upload_id]).fetchall()
        row: sqlite3.Row = db.execute("SELECT * FROM uploads WHERE id = ?", [upload_id]).fetchone()
    for part in parts:
        sandbox.store.part_path(part["id"]).unlink(missing_ok=True)
    return row


def _upload_object(sandbox: Sandbox, upload: sqlite3.Row) -> Json:
    file = sandbox.store.row("files", upload["file_id"]) if upload["file_id"] else None
    return {
        "id": upload["id"],
        "object": "upload",
        "bytes": upload["bytes"],
        "created_at": int(upload["created_at"]),
        "expires_at": int(upload["expires_at"]),
        "filename": upload["filename"],
        "purpose": upload["purpose"],
        "status": _status(sandbox, upload),
        "file": files.file_object(file) if file else None,
    }
