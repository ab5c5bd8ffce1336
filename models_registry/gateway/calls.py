"""One call: ask the provider, let another model stand in when it fails, relay the answer, count it."""

import asyncio
import logging
import random
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import httpcore2
from django.conf import settings

from finetuning.metrics import gateway_call_seconds
from models_registry.gateway.bodies import (
    Call,
    EventStream,
    Unpacker,
    Usage,
    read_answer,
    renamed,
    usage_of,
)
from models_registry.gateway.errors import (
    GatewayError,
    Headers,
    provider_timeout,
    provider_unreachable,
)
from models_registry.gateway.journal import Journal
from models_registry.gateway.limits import Limits
from models_registry.gateway.recording import recorder_for
from models_registry.gateway.routes import Route, Target
from models_registry.usage import CallRecord, Said, charge_for

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

EVENT_STREAM = b"text/event-stream"
FAILURES = (
    *(httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException),
    *(httpcore2.UnsupportedProtocol, OSError),
    # What it sent cannot be taken apart.
    *(ValueError, zlib.error),
)
CONNECT_SECONDS = 5.0
# Of an answer that is not streamed.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
IDLE_CONNECTIONS = 200
IDLE_SECONDS = 60.0
# Of the application's request, what the provider may know. The key, cookies and addresses are not for it.
PASSED_ON = frozenset({b"accept", b"user-agent", b"openai-beta", b"traceparent", b"tracestate"})
# Of the provider's answer, what is about its connection to us.
OWN_TO_CONNECTION = frozenset(
    (
        *(b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"content-encoding"),
        *(b"set-cookie", b"server", b"date", b"trailer", b"upgrade", b"alt-svc"),
    )
)
# The model is at fault, not the request: another one may answer it.
FAILED_STATUSES = frozenset({404, 408, 429, *range(500, 600)})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What came in: `path` is below the provider's base URL, `headers` are the application's."""

    path: str
    headers: Headers = field(repr=False)
    call: Call


@dataclass(kw_only=True)
class Outcome:
    """How one attempt went."""

    target: Target
    began: float
    http_status: int = 0
    usage: Usage | None = None
    first_at: float | None = None
    deltas: int = 0
    is_hung_up: bool = False
    is_stood_in_for: bool = False

    def saw(self, events: EventStream) -> None:
        self.usage, self.first_at, self.deltas = events.usage, events.first_at, events.deltas
        if events.is_failed:
            self.http_status = 502

    @property
    def is_whole(self) -> bool:
        return self.http_status == 200 and not self.is_hung_up

    def record(self, route: Route, call: Call, said: Said | None) -> CallRecord:
        """What is counted of it now, at its end."""
        is_error = not self.is_hung_up and self.http_status != 200
        usage = self.usage or self._estimate(call)
        ended = perf_counter()
        return CallRecord(
            ended_at=time.time(),
            organization_id=route.caller.key.organization_id,
            provider_model_id=self.target.provider_model_id,
            model_id=self.target.model_id,
            agent_id=route.agent_id,
            api_key_id=route.caller.key.pk,
            requests=0 if self.is_stood_in_for else 1,
            errors=int(is_error),
            hang_ups=int(self.is_hung_up),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            latency_ms=_milliseconds(ended - self.began),
            first_token_ms=_milliseconds((self.first_at or ended) - self.began),
            said=said,
            **charge_for(
                self.target.prices,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
            ),
        )

    def _estimate(self, call: Call) -> Usage:
        """For an answer that the provider did not count, or that nobody read to its end."""
        if self.http_status != 200 and not self.deltas and not self.is_hung_up:
            return Usage()
        return Usage(call.estimated_prompt_tokens, self.deltas)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class Providers:
    """Connections to all providers, kept open between calls."""

    def __init__(self) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
        )
        seconds = settings.GATEWAY_TIMEOUT_SECONDS
        self._timeouts = {"connect": CONNECT_SECONDS, "write": seconds, "read": seconds, "pool": seconds}

    def ask(self, target: Target, request: Request) -> Any:
        """A context with the provider's answer, its body still to come."""
        passed = [(name, value) for name, value in request.headers if name in PASSED_ON]
        headers = [
            *passed,
            (b"content-type", b"application/json"),
            (b"accept-encoding", b"identity"),
            (b"authorization", b"Bearer " + target.api_key.encode()),
        ]
        return self._pool.stream(
            "POST",
            target.base_url + request.path,
            headers=[(b"host", _host(target)), *headers],
            content=request.call.body_for(target.provider_model_id),
            extensions={"timeout": self._timeouts},
        )

    async def close(self) -> None:
        await self._pool.aclose()


def _host(target: Target) -> bytes:
    return target.base_url.split("/", 3)[2].encode()


class Relay:
    """Asks and counts for one application's call, and sends it the answer."""

    def __init__(
        self,
        request: Request,
        route: Route,
        *,
        providers: Providers,
        journal: Journal,
        limits: Limits,
        send: Send,
    ) -> None:
        self._request = request
        self._route = route
        self._providers = providers
        self._journal = journal
        self._limits = limits
        self._send = send
        self._recorder = recorder_for(route, request.call, request.headers)
        self._start: Message | None = None
        self.is_started = False

    async def run(self) -> None:
        """Raises GatewayError when no model answered, OSError when the call cannot be counted."""
        target, fallback = chosen_target(self._route), self._route.fallback
        if fallback is not None and fallback != target:
            if await self._try(target, has_stand_in=True):
                return
            target = fallback
        await self._try(target, has_stand_in=False)

    async def _try(self, target: Target, *, has_stand_in: bool) -> bool:
        """False when the model failed and another one is to be asked."""
        outcome = Outcome(target=target, began=perf_counter())
        try:
            end = await self._ask(outcome, has_stand_in=has_stand_in)
        except asyncio.CancelledError:
            outcome.is_hung_up = True
            self._count(outcome)
            raise
        except FAILURES as error:
            outcome.http_status = 502
            outcome.is_stood_in_for = has_stand_in
            self._count(outcome)
            if has_stand_in:
                return False
            raise _failure(error) from error
        self._count(outcome)
        if outcome.is_stood_in_for:
            return False
        await self._begin()
        await self._send({"type": "http.response.body", "body": end})
        return True

    async def _ask(self, outcome: Outcome, *, has_stand_in: bool) -> bytes:
        """The end of the answer: it goes out once the call is counted."""
        async with self._providers.ask(outcome.target, self._request) as answer:
            outcome.http_status = answer.status
            if has_stand_in and answer.status in FAILED_STATUSES:
                outcome.is_stood_in_for = True
                return b""
            headers = [(name.lower(), value) for name, value in answer.headers]
            kept = [(name, value) for name, value in headers if name not in OWN_TO_CONNECTION]
            kept = [(name, outcome.target.hide_key(value)) for name, value in kept]
            self._start = {"type": "http.response.start", "status": answer.status, "headers": kept}
            pieces = _pieces(answer, Unpacker(dict(headers).get(b"content-encoding", b"")))
            if answer.status == 200 and dict(kept).get(b"content-type", b"").startswith(EVENT_STREAM):
                return await self._stream(pieces, outcome)
            body = self._read_whole(await _joined(pieces), outcome)
            kept.append((b"content-length", str(len(body)).encode()))
            return body

    def _read_whole(self, body: bytes, outcome: Outcome) -> bytes:
        fields = read_answer(body)
        outcome.usage = usage_of(fields)
        if self._recorder is not None:
            self._recorder.see(fields)
        shown = renamed(fields, self._request.call.model) if "model" in fields else body
        return outcome.target.hide_key(shown)

    async def _begin(self) -> None:
        if not self.is_started and self._start is not None:
            self.is_started = True
            await self._send(self._start)

    async def _stream(self, pieces: AsyncIterator[bytes], outcome: Outcome) -> bytes:
        await self._begin()
        events = EventStream(self._request.call, self._recorder.see if self._recorder else None)
        try:
            async for piece in pieces:
                ready = outcome.target.hide_key(events.feed(piece))
                outcome.saw(events)
                if ready:
                    await self._send({"type": "http.response.body", "body": ready, "more_body": True})
            end = outcome.target.hide_key(events.end())
        except FAILURES as error:
            # It has begun, so neither its status nor another model can help.
            outcome.http_status = 502
            end = b"data: " + _failure(error).body + b"\n\n"
        outcome.saw(events)
        return end

    def _count(self, outcome: Outcome) -> None:
        if not outcome.is_stood_in_for:
            status = f"{outcome.http_status // 100}xx" if outcome.http_status else "none"
            gateway_call_seconds.labels(status).observe(perf_counter() - outcome.began)
        said = self._recorder.said() if self._recorder and outcome.is_whole else None
        record = outcome.record(self._route, self._request.call, said)
        self._journal.append(record)
        self._limits.add_tokens(self._route.caller.key, record.prompt_tokens + record.completion_tokens)


async def _pieces(answer: httpcore2.Response, unpacker: Unpacker) -> AsyncIterator[bytes]:
    async for chunk in answer.aiter_stream():
        for piece in unpacker.feed(chunk):
            yield piece
    yield unpacker.end()


async def _joined(pieces: AsyncIterator[bytes]) -> bytes:
    """Raises ValueError when they are too much."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too large")
    return bytes(body)


def chosen_target(route: Route) -> Target:
    """One of the two models of a split, by chance."""
    if route.second is not None and random.random() * 100 < route.second_share:  # nosec B311 # noqa: S311 - no secret
        return route.second
    return route.target


def _failure(error: Exception) -> GatewayError:
    """In words of our own: those of the error may be the key itself, where no request can be made of it."""
    if isinstance(error, httpcore2.ConnectTimeout):
        return provider_timeout(f"took no connection within {CONNECT_SECONDS:g} s")
    if isinstance(error, httpcore2.TimeoutException):
        return provider_timeout(f"did not answer within {settings.GATEWAY_TIMEOUT_SECONDS:g} s")
    if isinstance(error, httpcore2.ConnectError):
        logger.warning("a provider cannot be reached: %s", error)
        return provider_unreachable("could not be reached")
    logger.warning("a provider broke off: %s", type(error).__name__)
    return provider_unreachable(f"broke off ({type(error).__name__})")
