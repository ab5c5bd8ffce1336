"""Names each request before anything can answer it, Django's refusals of odd requests included."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from finetuning.middleware import usable_request_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = b"x-request-id"


class RequestId:
    """Gives the request one `X-Request-Id`, and the answer too where nobody has."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        name = usable_request_id(given_request_id(scope)).encode()
        others = [(header, value) for header, value in scope["headers"] if header != HEADER]
        named = {**scope, "headers": [*others, (HEADER, name)]}

        async def named_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                if not any(header.lower() == HEADER for header, _ in headers):
                    message = {**message, "headers": [*headers, (HEADER, name)]}
            await send(message)

        await self.application(named, receive, named_send)


def given_request_id(scope: Mapping[str, Any]) -> str:
    """The `X-Request-Id` that a request carries, or nothing."""
    values = [value for header, value in scope["headers"] if header == HEADER]
    return values[0].decode("latin-1") if len(values) == 1 else ""
