"""Requests and answers: the little of HTTP that the handlers need, over WSGI."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from finetuning.sandbox.errors import ApiError, missing_parameter
from finetuning.sandbox.multipart import Readable

Json = dict[str, Any]
Body = TypeVar("Body")

MAX_JSON_BYTES = 32 << 20
UNPARSABLE = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. ``path`` has no ``/v1`` prefix; ``query`` keeps bracket names such as ``metadata[k]``."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    content_type: str
    stream: Readable

    @classmethod
    def from_environ(cls, environ: Json) -> "Request":
        """Build a request from a WSGI environment."""
        # PEP 3333 hands paths over as latin-1 decoded bytes.
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
        return cls(
            method=environ["REQUEST_METHOD"],
            path=path.removeprefix("/v1") or "/",
            query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            authorization=environ.get("HTTP_AUTHORIZATION", ""),
            content_type=environ.get("CONTENT_TYPE", ""),
            stream=_Limited(environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")),
        )

    def json(self, shape: type[Body]) -> Body:
        """Return the body as ``shape``; an empty body reads as ``{}``. Raises ``ApiError`` 400 or 413."""
        raw = _read_all(self.stream, MAX_JSON_BYTES) or b"{}"
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ApiError(400, UNPARSABLE) from error

    def limit(self, default: int, maximum: int) -> int:
        """Return ``?limit=`` clamped to ``0..maximum``. Raises ``ApiError`` 400 when it is no integer."""
        text = self.query.get("limit", str(default))
        if not re.fullmatch(r"-?\d{1,9}", text):
            raise ApiError(400, f"Invalid 'limit': expected an integer, got '{text}'.", param="limit")
        return max(0, min(int(text), maximum))

    def metadata_filter(self) -> dict[str, str]:
        """Return the ``metadata[k]=v`` pairs of the query."""
        return {
            name[len("metadata[") : -1]: value
            for name, value in self.query.items()
            if name.startswith("metadata[") and name.endswith("]")
        }


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer: bytes at once, or an iterable whose items are flushed one by one."""

    status: int = 200
    content_type: str = "application/json"
    body: Iterable[bytes]
    headers: dict[str, str] = field(default_factory=dict)


def json_response(body: object, status: int = 200) -> Response:
    """Return ``body`` as JSON."""
    return Response(status=status, body=[msgspec.json.encode(body)])


def list_response(data: list[Json], *, has_more: bool) -> Response:
    """Return a page in the vendor's list shape."""
    return json_response(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": has_more,
        }
    )


class _Limited:
    """Keeps a reader inside its own body: ``wsgi.input`` of a socket has no end of its own."""

    def __init__(self, stream: Readable, content_length: str) -> None:
        self.stream = stream
        self.left = int(content_length) if content_length.isdigit() else None

    def read(self, size: int) -> bytes:
        if self.left is None:
            return self.stream.read(size)
        data = self.stream.read(min(size, self.left)) if self.left else b""
        self.left -= len(data)
        return data


def _read_all(stream: Readable, limit: int) -> bytes:
    body = bytearray()
    while chunk := stream.read(1 << 16):
        body.extend(chunk)
        if len(body) > limit:
            raise ApiError(413, f"The request body is larger than {limit} bytes.")
    return bytes(body)


def _invalid(problem: str) -> ApiError:
    """Translate msgspec's ``<what> - at `$.path` `` into the vendor's wording."""
    missing = re.match(r"Object missing required field `(\w+)`", problem)
    found = re.search(r" - at `\$\.?(.*)`$", problem)
    path = found[1] if found else ""
    what = problem[: found.start()] if found else problem
    if missing:
        param = f"{path}.{missing[1]}" if path else missing[1]
        return missing_parameter(param)
    return ApiError(400, f"Invalid value for '{path}': {what}.", param=path or None, code="invalid_value")
