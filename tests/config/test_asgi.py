import json

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application


async def ask(path, *headers, body=b"", method="POST"):
    """Status, headers and body of the answer that the whole web process would give."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": body})
    start = await communicator.receive_output(10)
    answer = await communicator.receive_output(10)
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
