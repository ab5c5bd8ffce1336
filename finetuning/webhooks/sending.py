"""One POST to somebody else's server: to the checked address, within a total time, never redirected."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore2

from finetuning.addresses import Destination

ANSWER_BYTES = 1_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: `status` is None where no answer came, and then `error` says why."""

    status: int | None = None
    text: str = ""
    error: str = ""
    duration_ms: int

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class PinnedBackend(httpcore2.AnyIOBackend):
    """Connects to one address, whatever the URL's host; TLS still checks the certificate of the host."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return await super().connect_tcp(self.address, port, timeout, local_address, socket_options)


def post(
    url: str, *, to: Destination, body: bytes, headers: Mapping[str, str], timeout_seconds: float
) -> Answer:
    """Send `body` and wait at most `timeout_seconds` for all of it, however slowly the server answers.

    Never raises for what the other side does. Proxies of the environment and redirects are not followed:
    the library knows neither.
    """
    started = time.monotonic()
    status, text, error = None, "", ""
    try:
        status, text = asyncio.run(_post(url, to, body, headers, timeout_seconds))
    except TimeoutError:
        error = f"No complete answer within {timeout_seconds:g} seconds."
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as failure:
        error = _in_words(failure)
    duration_ms = round(1000 * (time.monotonic() - started))
    return Answer(status=status, text=text, error=error, duration_ms=duration_ms)


def _in_words(failure: Exception) -> str:
    words = "The connection broke"
    if isinstance(failure, httpcore2.ConnectError):
        words = "The connection was refused, or its certificate is not valid"
    elif isinstance(failure, httpcore2.ProtocolError):
        words = "The answer was not HTTP"
    detail = str(failure)[:200]
    return f"{words}: {detail}" if detail else f"{words}."


async def _post(
    url: str, to: Destination, body: bytes, headers: Mapping[str, str], timeout_seconds: float
) -> tuple[int, str]:
    backend = PinnedBackend(to.address)
    async with (
        asyncio.timeout(timeout_seconds),
        httpcore2.AsyncConnectionPool(network_backend=backend) as pool,
        pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
    ):
        return response.status, await _start_of(response)


async def _start_of(response: httpcore2.Response) -> str:
    """The first bytes of the answer as text, without what PostgreSQL cannot hold."""
    start = b""
    async for chunk in response.aiter_stream():
        start += chunk
        if len(start) >= ANSWER_BYTES:
            break
    return start[:ANSWER_BYTES].decode(errors="replace").replace("\0", "")
