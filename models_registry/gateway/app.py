"""The ASGI application below `/v1`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from django.conf import settings

from finetuning.clients import address_of
from finetuning.log_context import log_context
from finetuning.metrics import gateway_refusals
from models_registry.gateway.bodies import read_call
from models_registry.gateway.calls import Message, Providers, Relay, Request, Send
from models_registry.gateway.directory import Directory, Known
from models_registry.gateway.errors import (
    GatewayError,
    cap_reached,
    invalid_body,
    no_such_model,
    unavailable,
    unknown_url,
)
from models_registry.gateway.journal import Folder, Journal
from models_registry.gateway.limits import Limits
from models_registry.gateway.routes import Caller

logger = logging.getLogger(__name__)

PREFIX = "/v1"
Scope = Any
Receive = Callable[[], Awaitable[Message]]
# What an application asks, and where that is below a provider's base URL.
ASKING = frozenset({"/chat/completions", "/completions"})
MODELS = "/models"
# No key, or one that may not. What comes too often is counted and not logged: that would be a line a call.
NOT_LET_IN = frozenset({401, 403})


class Gateway:
    """Serves `/v1`, and the server's start and stop. Calls are kept in `folder` until they are counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: Parts | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # A server that does not tell of its start (uvicorn's `--lifespan off`) starts with its first call.
        parts = self._parts = self._parts or Parts(self._folder)
        await _answer(parts, scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            self._parts = Parts(self._folder)
            await send({"type": "lifespan.startup.complete"})
        if self._parts is not None:
            await self._parts.close()
            self._parts = None
        await send({"type": "lifespan.shutdown.complete"})


class Parts:
    """What lives as long as the process, in its event loop."""

    def __init__(self, folder: Path) -> None:
        self.directory = Directory()
        self.limits = Limits()
        self.providers = Providers()
        self.journal = Journal(folder)
        self._folder = Folder(self.journal)
        self._folder.start()

    async def close(self) -> None:
        await self.providers.close()
        await self.limits.close()
        await asyncio.to_thread(self._folder.stop)
        await asyncio.to_thread(self.directory.close)


async def _answer(parts: Parts, scope: Scope, receive: Receive, send: Send) -> None:
    method, path = scope["method"], scope["path"].removeprefix(PREFIX)
    try:
        if method == "POST" and path in ASKING:
            await _relay(parts, scope, receive, send)
        elif method == "GET" and (path == MODELS or path.startswith(f"{MODELS}/")):
            await _show_models(parts, scope, send)
        else:
            raise unknown_url(method, scope["path"])
    except GatewayError as error:
        gateway_refusals.labels(error.code).inc()
        if error.http_status in NOT_LET_IN:
            _log_refusal(scope, error)
        await _send_json(send, error.http_status, error.body, error.raw_headers)


def _log_refusal(scope: Scope, error: GatewayError) -> None:
    def header(name: bytes) -> str:
        return b",".join(value for given, value in scope["headers"] if given == name).decode("latin-1")

    peer = scope["client"][0] if scope.get("client") else ""
    address = address_of(peer, header(b"x-forwarded-for"))
    with log_context(request_id=header(b"x-request-id"), address=address):
        logger.warning("refused a call: %d %s", error.http_status, error.code)


async def _relay(parts: Parts, scope: Scope, receive: Receive, send: Send) -> None:
    _check_size(_announced_bytes(scope))
    caller = await _admit(parts, scope)
    reached_cap = caller.given().reached_cap
    if reached_cap is not None:
        raise cap_reached(reached_cap)
    call = read_call(await _body(receive))
    route = await parts.directory.find_route(caller, call.model)
    request = Request(path=scope["path"].removeprefix(PREFIX), headers=scope["headers"], call=call)
    relay = Relay(
        request, route, providers=parts.providers, journal=parts.journal, limits=parts.limits, send=send
    )
    try:
        await _until_hang_up(relay.run(), receive)
    except OSError as error:
        logger.exception("a call could not be counted")
        if relay.is_started:
            raise
        raise unavailable("The call could not be counted.") from error


async def _admit(parts: Parts, scope: Scope) -> Known[Caller]:
    """Who asks. Raises GatewayError 401, 429, 503."""
    caller = await parts.directory.find_caller(_bearer(scope))
    await parts.limits.take(caller.given().key)
    return caller


async def _until_hang_up(work: Awaitable[None], receive: Receive) -> None:
    """Do `work`, but stop it when the application closes its connection."""
    task = asyncio.current_task()
    assert task is not None
    watcher = asyncio.create_task(_hang_up(receive))
    watcher.add_done_callback(lambda done: done.cancelled() or task.cancel())
    try:
        await work
    except asyncio.CancelledError:
        if not watcher.done() or watcher.cancelled():
            raise
        task.uncancel()
    finally:
        watcher.cancel()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    """Raises GatewayError 413."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise invalid_body("The request broke off.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        _check_size(size)
        if not message.get("more_body"):
            return b"".join(parts)


def _check_size(size_bytes: int) -> None:
    if size_bytes > settings.GATEWAY_MAX_BODY_BYTES:
        message = f"The request is larger than {settings.GATEWAY_MAX_BODY_BYTES:,} bytes."
        raise GatewayError(413, message, code="request_too_large")


def _announced_bytes(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


def _bearer(scope: Scope) -> str:
    """The key that was sent, or nothing."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, key = value.decode("latin-1").partition(" ")
            return str(key).strip() if kind.lower() == "bearer" else ""
    return ""


async def _show_models(parts: Parts, scope: Scope, send: Send) -> None:
    models = await parts.directory.find_models(await _admit(parts, scope))
    name = unquote(scope["path"].removeprefix(PREFIX + MODELS).removeprefix("/"))
    found = [model for model in models if model["id"] == name]
    if name and not found:
        raise no_such_model(name)
    answer = found[0] if name else {"object": "list", "data": models}
    await _send_json(send, 200, msgspec.json.encode(answer), [(b"content-type", b"application/json")])


async def _send_json(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
