"""Read ``multipart/form-data`` in bounded memory: text fields are kept, file parts go straight to disk."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Protocol

from finetuning.sandbox.errors import ApiError

CHUNK_BYTES = 1 << 16
HEADER_BYTES = 1 << 14
TEXT_FIELD_BYTES = 1 << 16


class Readable(Protocol):
    """The one method of ``wsgi.input`` that is needed."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, empty at the end."""
        ...


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """A file part: its client-side name, and where its bytes lie until someone moves them."""

    filename: str
    path: Path
    size: int


@dataclass(frozen=True, kw_only=True)
class Form:
    """A parsed form; of repeated names the last one counts."""

    fields: dict[str, str]
    files: dict[str, FilePart]


class _Buffer:
    """Bytes of a stream up to a marker, without ever holding more than a chunk and the marker."""

    def __init__(self, stream: Readable) -> None:
        self.stream = stream
        self.pending = b""

    def take_until(self, marker: bytes, write: Callable[[bytes], object]) -> None:
        """Pass what comes before ``marker`` to ``write``, drop the marker; 400 if the stream ends first."""
        while (found := self.pending.find(marker)) < 0:
            keep = len(marker) - 1
            write(self.pending[: max(0, len(self.pending) - keep)])
            self.pending = self.pending[max(0, len(self.pending) - keep) :]
            chunk = self.stream.read(CHUNK_BYTES)
            if not chunk:
                raise ApiError(400, "The multipart body ended before its last boundary.")
            self.pending += chunk
        write(self.pending[:found])
        self.pending = self.pending[found + len(marker) :]

    def starts_with(self, expected: bytes) -> bool:
        """Return whether the next bytes are these, without taking them."""
        while len(self.pending) < len(expected):
            chunk = self.stream.read(CHUNK_BYTES)
            if not chunk:
                break
            self.pending += chunk
        return self.pending.startswith(expected)

    def text_until(self, marker: bytes, limit: int) -> str:
        """Return what comes before ``marker`` as text; 400 above ``limit`` bytes."""
        taken = bytearray()

        def write(data: bytes) -> None:
            taken.extend(data)
            if len(taken) > limit:
                raise ApiError(400, f"A text field or part header is longer than {limit} bytes.")

        self.take_until(marker, write)
        return taken.decode("utf-8", "replace")


def read_form(stream: Readable, content_type: str, directory: Path, max_file_bytes: int) -> Form:
    """Parse a form; file parts become files in ``directory``.

    Raises ``ApiError`` 400 for a body that is not a form, 413 for a file above ``max_file_bytes``; then
    nothing is left in ``directory``.
    """
    form = Form(fields={}, files={})
    try:
        _read_parts(_Buffer(stream), _boundary(content_type), form, directory, max_file_bytes)
    except BaseException:
        discard(form)
        raise
    return form


def discard(form: Form) -> None:
    """Remove the files of a form that nobody moved away."""
    for part in form.files.values():
        part.path.unlink(missing_ok=True)


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        raise ApiError(400, "Expected a multipart/form-data body with a boundary.")
    return boundary.encode()


def _read_parts(buffer: _Buffer, boundary: bytes, form: Form, directory: Path, max_file_bytes: int) -> None:
    # A boundary line starts on a new line; the very first one may open the body.
    buffer.pending = b"\r\n"
    delimiter = b"\r\n--" + boundary
    buffer.text_until(delimiter, HEADER_BYTES)
    while not buffer.starts_with(b"--"):
        buffer.text_until(b"\r\n", HEADER_BYTES)
        headers = buffer.text_until(b"\r\n\r\n", HEADER_BYTES)
        name, filename = _disposition(headers)
        if filename is None:
            form.fields[name] = buffer.text_until(delimiter, TEXT_FIELD_BYTES)
        else:
            form.files[name] = _save_part(buffer, delimiter, filename, directory, max_file_bytes)


def _disposition(headers: str) -> tuple[str, str | None]:
    message = Message()
    for line in headers.split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            message["content-disposition"] = value.strip()
    name = message.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise ApiError(400, "A part of the multipart body has no name.")
    return name, message.get_filename()


def _save_part(
    buffer: _Buffer, delimiter: bytes, filename: str, directory: Path, max_file_bytes: int
) -> FilePart:
    path = directory / secrets.token_hex(16)
    size = 0
    try:
        with path.open("wb") as target:

            def write(data: bytes) -> None:
                nonlocal size
                size += len(data)
                if size > max_file_bytes:
                    raise ApiError(
                        413, f"File is too large. The maximum is {max_file_bytes} bytes.", param="file"
                    )
                target.write(data)

            buffer.take_until(delimiter, write)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FilePart(filename=filename, path=path, size=size)
