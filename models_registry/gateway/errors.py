"""Refusals in the protocol's shape: `{"error": {message, type, param, code}}`."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

Headers = list[tuple[bytes, bytes]]
UNAVAILABLE = "gateway_unavailable"


class GatewayError(Exception):
    """An answer that is an error; `str(error)` is what the caller reads."""

    def __init__(
        self,
        http_status: int,
        message: str,
        *,
        code: str,
        type: str = "invalid_request_error",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.type = type
        self.param = param
        self.headers = headers or {}

    def again(self) -> "GatewayError":
        """The same refusal for another call. One that was raised holds the call that it was raised for."""
        return GatewayError(
            self.http_status,
            str(self),
            code=self.code,
            type=self.type,
            param=self.param,
            headers=self.headers,
        )

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(
            {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}
        )

    @property
    def raw_headers(self) -> Headers:
        given = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        return [(b"content-type", b"application/json"), *given]


def invalid_key(shown: str) -> GatewayError:
    message = (
        f"Incorrect API key provided: {shown}. Keys are made under Settings, API keys."
        if shown
        else ("You didn't provide an API key. Send it in the Authorization header: Bearer at-...")
    )
    return GatewayError(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def suspended(message: str) -> GatewayError:
    """Trying again, which SDKs do not do with a 403, would not help."""
    return GatewayError(403, message, code="organization_suspended", type="permission_error")


def no_such_model(name: str) -> GatewayError:
    """Also for a model of somebody else, or out of the key's scope: it tells nothing about which."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return GatewayError(404, message, code="model_not_found", param="model")


def unknown_url(method: str, path: str) -> GatewayError:
    return GatewayError(404, f"Unknown request URL: {method} {path}.", code="unknown_url")


def invalid_body(message: str, *, param: str | None = None) -> GatewayError:
    return GatewayError(400, message, code="invalid_request", param=param)


def too_many(what: str, *, limit: int, seconds: int) -> GatewayError:
    """A limit of the key per minute is used up; `what` is `requests` or `tokens`."""
    message = f"Rate limit reached for {what} of this key: {limit} per minute. Try again in {seconds} s."
    headers = {"retry-after": str(seconds), f"x-ratelimit-limit-{what}": str(limit)}
    return GatewayError(429, message, code="rate_limit_exceeded", type=what, headers=headers)


def cap_reached(cap: Decimal) -> GatewayError:
    """A cap of 0 is reached before anything is spent."""
    is_reached = f"has spent its cap of ${cap} for this month." if cap else "allows no calls: its cap is $0."
    message = f"Your organization {is_reached} An admin can raise it under Settings."
    # An SDK must not try again.
    return GatewayError(
        402,
        message,
        code="spending_cap_reached",
        type="insufficient_quota",
        headers={"x-should-retry": "false"},
    )


def unavailable(message: str) -> GatewayError:
    """The database, or the disk that calls are counted on."""
    return GatewayError(503, message, code=UNAVAILABLE, type="server_error", headers={"retry-after": "1"})


def provider_unreachable(what: str) -> GatewayError:
    message = f"The model's provider {what}."
    return GatewayError(502, message, code="provider_unreachable", type="server_error")


def provider_timeout(what: str) -> GatewayError:
    message = f"The model's provider {what}."
    return GatewayError(504, message, code="provider_timeout", type="server_error")
