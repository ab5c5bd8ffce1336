"""Django under ASGI writes a whole request body to disk before any view runs; this cuts it off first."""

import json

from django.conf import settings

from config.request_id import Application, Message, Receive, Scope, Send, given_request_id

# What a multipart form may hold besides the file.
FORM_BYTES = 1024 * 1024


class BodyTooLarge(Exception):
    """More bytes have arrived than any request may have."""


class BodyLimit:
    """Answers 413 to a body larger than an upload may be, announced or not."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        limit = settings.UPLOAD_MAX_BYTES + FORM_BYTES
        if _announced_bytes(scope) > limit:
            await _discard(receive, at_most=2 * limit)
            await _refuse(scope, send)
            return
        received = 0

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge
            return message

        try:
            await self.application(scope, counting_receive, send)
        except BodyTooLarge:
            await _refuse(scope, send)


def _announced_bytes(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


async def _discard(receive: Receive, *, at_most: int) -> None:
    """Read on for a while: a browser shows no answer that comes while it is still sending."""
    read = 0
    while read <= at_most:
        message = await receive()
        read += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


async def _refuse(scope: Scope, send: Send) -> None:
    limit = settings.UPLOAD_MAX_BYTES // (1024 * 1024)
    problem = {
        "type": "about:blank",
        "title": "Content Too Large",
        "status": 413,
        "code": "upload_too_large",
        "detail": f"The file is larger than {limit} MB. Split it, or remove examples.",
        "errors": [],
        "requestId": given_request_id(scope),
    }
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode()})
