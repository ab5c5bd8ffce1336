"""``/files``: keep bytes, give them back. Contents are judged by the job that uses them."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from finetuning.sandbox import multipart
from finetuning.sandbox.errors import ApiError, missing_parameter, no_such_file
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id

MAX_FILE_BYTES = 512 << 20
PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
EXPIRES_AFTER_SECONDS = range(3600, 2592000 + 1)
FIRST_LINE_BYTES = 1 << 20
EXAMPLE_LINE = (
    b'{"messages": [{"role": "user", "content": "Example %d?"}, {"role": "assistant", "content": "Yes."}]}\n'
)


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /files``."""
    form = multipart.read_form(request.stream, request.content_type, sandbox.store.incoming, MAX_FILE_BYTES)
    try:
        part = form.files.get("file")
        if part is None:
            raise missing_parameter("file")
        purpose = checked_purpose(form.fields.get("purpose"))
        lifetime = _lifetime_of(form)
        row = add_file(sandbox, path=part.path, filename=part.filename, purpose=purpose, lifetime=lifetime)
    finally:
        multipart.discard(form)
    return json_response(file_object(row))


def retrieve(sandbox: Sandbox, request: Request, file_id: str) -> Response:
    """Answer ``GET /files/{id}``."""
    return json_response(file_object(find_file(sandbox, file_id)))


def list_files(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /files?purpose&limit&order&after``."""
    conditions: list[tuple[str, list[object]]] = [("(expires_at IS NULL OR expires_at > ?)", [sandbox.now()])]
    if purpose := request.query.get("purpose"):
        conditions.append(("purpose = ?", [purpose]))
    rows, has_more = sandbox.store.page(
        "files",
        conditions=conditions,
        order="asc" if request.query.get("order") == "asc" else "desc",
        after=request.query.get("after"),
        limit=request.limit(10_000, 10_000),
    )
    return list_response([file_object(row) for row in rows], has_more=has_more)


def delete(sandbox: Sandbox, request: Request, file_id: str) -> Response:
    """Answer ``DELETE /files/{id}``; jobs and models keep their own copy of the bytes."""
    find_file(sandbox, file_id)
    with sandbox.store.write() as db:
        db.execute("DELETE FROM files WHERE id = ?", [file_id])
    sandbox.store.file_path(file_id).unlink(missing_ok=True)
    return json_response({"id": file_id, "object": "file", "deleted": True})


def content(sandbox: Sandbox, request: Request, file_id: str) -> Response:
    """Answer ``GET /files/{id}/content`` with the raw bytes."""
    row = find_file(sandbox, file_id)
    disposition = f"attachment; filename*=utf-8''{quote(row['filename'])}"
    return Response(
        content_type="application/octet-stream",
        body=_chunks(sandbox.store.file_path(file_id)),
        headers={"Content-Disposition": disposition, "Content-Length": str(row["bytes"])},
    )


def find_file(sandbox: Sandbox, file_id: str) -> sqlite3.Row:
    """Return a file's row. Raises ``ApiError`` 404; the ``spec`` dialect makes an example file instead."""
    row = sandbox.store.row("files", file_id)
    if row is not None and (row["expires_at"] is None or row["expires_at"] > sandbox.now()):
        return row
    if not sandbox.lenient:
        raise no_such_file(file_id)
    path = sandbox.store.incoming / new_id("example-")
    path.write_bytes(b"".join(EXAMPLE_LINE % number for number in range(10)))
    return add_file(sandbox, path=path, filename="example.jsonl", purpose="fine-tune", file_id=file_id)


def add_file(
    sandbox: Sandbox,
    *,
    path: Path,
    filename: str,
    purpose: str,
    lifetime: int | None = None,
    file_id: str | None = None,
) -> sqlite3.Row:
    """Take over the file at ``path`` and return its row; ``lifetime`` in seconds.

    Raises ``ApiError`` 400 when a file for training does not look like JSONL.
    """
    if purpose == "fine-tune":
        _check_jsonl(path, filename)
    file_id = file_id or new_id("file-", 22)
    now = sandbox.now()
    size = path.stat().st_size
    path.replace(sandbox.store.file_path(file_id))
    expires_at = now + lifetime if lifetime else None
    with sandbox.store.write() as db:
        db.execute(
            "INSERT OR REPLACE INTO files (id, created_at, filename, purpose, bytes, expires_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [file_id, now, filename, purpose, size, expires_at],
        )
        row: sqlite3.Row = db.execute("SELECT * FROM files WHERE id = ?", [file_id]).fetchone()
        return row


def keep_training_copy(sandbox: Sandbox, file_id: str) -> None:
    """Make the bytes outlive the deletion of the file, without a second copy where the disk can link."""
    source, target = sandbox.store.file_path(file_id), sandbox.store.training_path(file_id)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(source, target)


def checked_purpose(purpose: str | None) -> str:
    """Return ``purpose``. Raises ``ApiError`` 400 when it is missing or not one that can be uploaded."""
    if purpose is None:
        raise missing_parameter("purpose")
    if purpose not in PURPOSES:
        raise ApiError(400, f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    return purpose


def checked_lifetime(seconds: int | None) -> int | None:
    """Return ``seconds``. Raises ``ApiError`` 400 outside one hour to thirty days."""
    if seconds is None or seconds in EXPIRES_AFTER_SECONDS:
        return seconds
    raise ApiError(
        400,
        "Invalid 'expires_after.seconds': expected an integer between 3600 and 2592000.",
        param="expires_after.seconds",
    )


def _lifetime_of(form: multipart.Form) -> int | None:
    text = form.fields.get("expires_after[seconds]")
    # Nine digits are more than thirty days; longer or odd texts are out of range as well.
    return checked_lifetime(None if text is None else int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1)


def file_object(row: sqlite3.Row) -> Json:
    """Return the vendor's JSON of a file."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": int(row["created_at"]),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
        "expires_at": int(row["expires_at"]) if row["expires_at"] else None,
        "status_details": None,
    }


def _check_jsonl(path: Path, filename: str) -> None:
    if not filename.lower().endswith(".jsonl"):
        raise ApiError(400, "Invalid file format for Fine-Tuning API. Must be .jsonl")
    with path.open("rb") as source:
        line = source.readline(FIRST_LINE_BYTES)
    if not line.startswith(b"{"):
        hint = line[:5].decode("utf-8", "replace").replace('"', '\\"')
        raise ApiError(
            400,
            "Expected file to have JSONL format, where every line is a JSON dictionary. "
            f'Line 1 is not a dictionary (HINT: line starts with: "{hint}...").',
        )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(1 << 16):
            yield chunk
