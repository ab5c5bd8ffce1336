"""What every answer has in common."""

import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from finetuning.audit import on_behalf_of
from finetuning.ids import uuid7
from finetuning.limits import Allowance
from finetuning.log_context import log_context
from finetuning.metrics import http_request_seconds

GetResponse = Callable[[HttpRequest], HttpResponse]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def usable_request_id(given: str) -> str:
    """The caller's own name for the request where it is harmless, else a new one."""
    return given if REQUEST_ID.fullmatch(given) else str(uuid7())


class RequestIdMiddleware:
    """Names each request in `X-Request-Id`, by the caller's own name for it where there is a harmless one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = usable_request_id(request.headers.get("X-Request-Id", ""))
        request.request_id = request_id  # type: ignore[attr-defined]
        with log_context(request_id=request_id), on_behalf_of(request):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class CompressedPageMiddleware(GZipMiddleware):
    """Compresses pages, and nothing else.

    A download stays byte for byte what it is, and a stream is not held back. In an answer of the API a token
    may stand beside what somebody else has chosen, and its size would tell of it. A page shows a secret once,
    and its CSRF token is masked anew each time.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = not response.streaming and response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response


class NotStoredMiddleware:
    """Keeps what is somebody's own out of every cache, where the view does not say otherwise."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class MetricsMiddleware:
    """Measures each request by the route that it took, so that ids in paths make no new series."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        route = request.resolver_match.route if request.resolver_match else "none"
        method = request.method if request.method in METHODS else "other"
        seconds = http_request_seconds.labels(method, route, response.status_code)
        seconds.observe(time.perf_counter() - started)
        return response


class AllowanceMiddleware:
    """Says in `X-RateLimit-*` what the limit that counted the request leaves; see `finetuning.limits`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is not None:
            response["X-RateLimit-Limit"] = str(allowance.limit)
            response["X-RateLimit-Remaining"] = str(allowance.remaining)
            response["X-RateLimit-Reset"] = str(allowance.reset_seconds)
        return response


class ApiTrailingSlashMiddleware:
    """`/api/x/` answers what `/api/x` answers. A redirect would lose the body of a POST."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            request.path = request.path.removesuffix("/")
            request.path_info = request.path_info.removesuffix("/")
        return self.get_response(request)
