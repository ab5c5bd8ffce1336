import json

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application


async def ask(path, *headers, body=b"", method="POST", query=b""):
    """Status, headers and body of the answer that the whole web process would give."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": body})
    start = await communicator.receive_output(10)
    answer = await communicator.receive_output(10)
    await communicator.wait()
    return start["status"], dict(start["headers"]), answer["body"]


@pytest.mark.asyncio
async def test_names_a_request_that_is_too_large(settings):
    settings.UPLOAD_MAX_BYTES = 1000
    size = str(2_000_000).encode()

    status, headers, body = await ask("/api/x", (b"content-length", size), (b"x-request-id", b"mine-1"))

    assert (status, headers[b"x-request-id"]) == (413, b"mine-1")
    assert json.loads(body)["requestId"] == "mine-1"


@pytest.mark.asyncio
async def test_names_a_request_that_never_reaches_a_view(settings):
    settings.UPLOAD_MAX_BYTES = 1000
    size = str(2_000_000).encode()

    status, headers, _ = await ask("/api/x", (b"content-length", size), (b"x-request-id", b"<script>"))

    assert status == 413
    assert len(headers[b"x-request-id"]) == 36


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        (b"application/json; charset=base64", 401, "refresh_token_invalid"),
        (b"application/json; charset=undefined", 401, "refresh_token_invalid"),
        (b"application/json; charset=\xff", 401, "refresh_token_invalid"),
        (b"multipart/form-data; boundary=b; charset=base64", 415, "unsupported_media_type"),
        (b"application/x-www-form-urlencoded; charset=undefined", 415, "unsupported_media_type"),
        (b"application/json; a*=klingon''b", 400, "malformed"),
        (b"application/json; charset*=undefined''%41", 400, "malformed"),
        (b"multipart/form-data; boundary*=base64''%41", 415, "unsupported_media_type"),
    ],
)
async def test_survives_charsets_that_are_none(content_type, status, code):
    answer = await ask(
        "/api/auth/token/refresh",
        (b"content-type", content_type),
        (b"content-length", b"16"),
        (b"x-request-id", b"mine-1"),
        body=b'{"refresh": "x"}',
        query=b"a=%C3%A4",
    )

    assert (answer[0], answer[1][b"Content-Type"]) == (status, b"application/problem+json")
    problem = json.loads(answer[2])
    assert (problem["code"], problem["requestId"]) == (code, "mine-1")


@pytest.mark.asyncio
async def test_answers_a_page_with_such_a_charset(settings):
    status, _, body = await ask("/login", (b"content-type", b"text/plain; a*=klingon''b"))

    assert (status, body) == (400, b"")
