"""One request to an OpenAI-compatible API: who asks, how long it may take, and what its failure means.

It, `openai` and `webhooks` are the only files that import the OpenAI SDK.
"""

import math
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from threading import Thread
from typing import Any, TypeVar

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAI, OpenAIError

# The SDK gives no public name to what every `with_raw_response` method returns.
from openai._legacy_response import LegacyAPIResponse

from finetuning.metrics import provider_call_seconds
from finetuning.providers.base import ProviderError, ProviderRefused, ProviderUnreachable
from finetuning.providers.openai_answers import (
    MAX_CODE_CHARACTERS,
    UnreadableAnswer,
    read_object,
    storable_text,
)

MAX_MESSAGE_CHARACTERS = 2_000
MAX_RETRY_AFTER_SECONDS = 3_600.0
CONNECT_TIMEOUT_SECONDS = 10.0
# A shorter key is a local server's word, such as `none`; as part of a sentence it gives nothing away.
MIN_SECRET_CHARACTERS = 8

# The provider understood a create and made nothing. Any other failure of one may have made a run.
CREATE_REFUSALS = frozenset({400, 401, 403, 404, 422, 429})
PASSING_CLIENT_ERRORS = frozenset({408, 409, 425, 429})
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

Value = TypeVar("Value")
Response = LegacyAPIResponse[Any]


class NoAnswerInTime(Exception):
    """The call as a whole took too long, however lively its connection was."""


FAILURES = (
    OpenAIError,
    NoAnswerInTime,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    # Among them UnreadableAnswer, and what the SDK says of an argument that no request can be made of.
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose requests these are. `timeout` is in seconds and limits each request as a whole."""

    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    transport: httpx2.BaseTransport | None = None

    def send(
        self, read: Callable[[dict[str, Any]], Value], call: Callable[[OpenAI], Response], *, seconds: float
    ) -> Value:
        """Send one request, once, and read its answer within `seconds`. Raises any of FAILURES."""
        started, outcome = time.perf_counter(), "failed"
        try:
            with self._connection() as connection:
                client = self._client(connection)
                answer = _within(seconds, lambda: read(read_object(call(client).http_response.content)))
        except APIStatusError as error:
            outcome = "refused" if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
            raise
        else:
            outcome = "answered"
            return answer
        finally:
            provider_call_seconds.labels(outcome).observe(time.perf_counter() - started)

    def _connection(self) -> httpx2.Client:
        # A connection for each request: one that was kept may have been closed by the provider meanwhile,
        # and a create that is sent into it has an unknown outcome. Redirects would carry the key elsewhere.
        return httpx2.Client(
            transport=self.transport,
            verify=_trusted_authorities(),
            timeout=httpx2.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT_SECONDS, self.timeout)),
            trust_env=False,
            follow_redirects=False,
        )

    def _client(self, connection: httpx2.Client) -> OpenAI:
        """A client that only knows this account: nothing of the OPENAI_* variables gets in."""
        if not self.api_key:
            raise ProviderRefused("The provider account has no API key.", code="provider_key_missing")
        client = OpenAI(
            api_key=self.api_key,
            base_url=self.base_url,
            timeout=connection.timeout,
            # The SDK repeats a create by itself, and so trains twice. Trying again is the caller's matter.
            max_retries=0,
            http_client=connection,
        )
        # No argument of the constructor keeps these out, and OPENAI_CUSTOM_HEADERS.
        client.organization = client.project = client.admin_api_key = client.webhook_secret = None
        client._custom_headers = {}
        return client

    def explain(self, error: Exception) -> ProviderError:
        """The same failure in our words, as for a request that can be sent again."""
        if isinstance(error, APIStatusError):
            return self._explain_status(error)
        if isinstance(error, UnreadableAnswer):
            return ProviderUnreachable(
                f"The provider's answer could not be read: {self._presentable(str(error))}."
            )
        if isinstance(error, NoAnswerInTime | APITimeoutError):
            return ProviderUnreachable("The provider did not answer in time.")
        if isinstance(error, APIConnectionError | httpx2.HTTPError):
            reason = self._presentable(str(error.__cause__ or error))
            return ProviderUnreachable(f"The provider at {self.base_url} could not be reached: {reason}")
        return ProviderRefused(
            f"No request could be made of this account's address and key: {self._presentable(str(error))}",
            code="provider_account_invalid",
        )

    def _explain_status(self, error: APIStatusError) -> ProviderError:
        status = error.status_code
        message = self._presentable(_vendor_message(error))
        if status == HTTPStatus.UNAUTHORIZED:
            return ProviderRefused(message, code="provider_key_refused")
        if error.response.is_client_error and status not in PASSING_CLIENT_ERRORS:
            code = self._presentable(error.code or "")[:MAX_CODE_CHARACTERS]
            return ProviderRefused(message, code=code or "provider_refused")
        return ProviderUnreachable(message, retry_after=_retry_after(error.response.headers, now=time.time()))

    def _presentable(self, text: str) -> str:
        """`text` as it can be stored and shown: some providers repeat the whole key when they refuse it."""
        text = storable_text(text)
        if len(self.api_key) >= MIN_SECRET_CHARACTERS:
            text = text.replace(self.api_key, "(the key)")
        return text[:MAX_MESSAGE_CHARACTERS]


def was_not_created(error: Exception) -> bool:
    """Whether a create that failed with `error` surely made nothing; False means that nobody knows."""
    if isinstance(error, httpx2.InvalidURL | UnicodeEncodeError):
        return True
    if isinstance(error, APIStatusError):
        return error.status_code in CREATE_REFUSALS
    return isinstance(error, APIConnectionError) and isinstance(error.__cause__, NEVER_SENT)


def _within(seconds: float, call: Callable[[], Value]) -> Value:
    """What `call` returns. Raises what it raises, or NoAnswerInTime after `seconds`.

    HTTP time-outs count each read anew, so a provider that sends a byte now and then outlasts them. The
    abandoned thread ends when the caller closes its connection.
    """
    outcome: Future[Value] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            outcome.set_exception(error)

    Thread(target=run, name="provider request", daemon=True).start()
    if not wait([outcome], timeout=seconds).done:
        raise NoAnswerInTime
    return outcome.result()


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """The operating system's certificate authorities; to read them takes a while, so once per process."""
    return httpx2.create_ssl_context(trust_env=False)


def _vendor_message(error: APIStatusError) -> str:
    """What the provider says, verbatim; its status and the start of its page when it has no message."""
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message")
    if isinstance(message, str) and message:
        return message
    if error.response.has_redirect_location:
        location = error.response.headers["location"]
        return f"It answered with a redirect to {location}, which is not followed: correct the address."
    return f"HTTP {error.status_code}: {error.response.text[:500] or 'no explanation'}"


def _retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """The seconds that the provider asks us to wait, at most an hour; None when it says nothing usable.

    `Retry-After` (RFC 9110) holds seconds or a date; `retry-after-ms` is OpenAI's. `now` in Unix seconds.
    """
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        elif headers.get("retry-after", "").strip()[:1].isalpha():
            seconds = parsedate_to_datetime(headers["retry-after"]).timestamp() - now
        else:
            seconds = float(headers["retry-after"])
        if math.isfinite(seconds) and seconds > 0:
            return min(seconds, MAX_RETRY_AFTER_SECONDS)
    return None
