"""The WSGI application: key, route, answer."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from finetuning.sandbox import (
    chat,
    completions,
    deliveries,
    faults,
    files,
    graders,
    jobs,
    lifecycle,
    misbehavior,
    models,
    permissions,
    uploads,
    webhooks,
)
from finetuning.sandbox.errors import ApiError
from finetuning.sandbox.http import Request, Response, json_response
from finetuning.sandbox.settings import SandboxSettings
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import Store

logger = logging.getLogger(__name__)

REFUSED_KEY = "sk-refused"
SHOWN_KEY_CHARACTERS = 7
Handler = Callable[..., Response]

JOBS = "/fine_tuning/jobs"
PERMISSIONS = "/fine_tuning/checkpoints/{model}/permissions"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/files", files.list_files),
    ("POST", "/files", files.create),
    ("GET", "/files/{file_id}", files.retrieve),
    ("DELETE", "/files/{file_id}", files.delete),
    ("GET", "/files/{file_id}/content", files.content),
    ("POST", "/uploads", uploads.create),
    ("POST", "/uploads/{upload_id}/parts", uploads.create_part),
    ("POST", "/uploads/{upload_id}/complete", uploads.complete),
    ("POST", "/uploads/{upload_id}/cancel", uploads.cancel),
    ("GET", JOBS, jobs.list_jobs),
    ("POST", JOBS, jobs.create),
    ("GET", JOBS + "/{job_id}", jobs.retrieve),
    ("POST", JOBS + "/{job_id}/cancel", jobs.cancel),
    ("POST", JOBS + "/{job_id}/pause", jobs.pause),
    ("POST", JOBS + "/{job_id}/resume", jobs.resume),
    ("GET", JOBS + "/{job_id}/events", jobs.list_events),
    ("GET", JOBS + "/{job_id}/checkpoints", jobs.list_checkpoints),
    ("GET", PERMISSIONS, permissions.list_permissions),
    ("POST", PERMISSIONS, permissions.create),
    ("DELETE", PERMISSIONS + "/{permission_id}", permissions.delete),
    ("POST", "/fine_tuning/alpha/graders/validate", graders.validate),
    ("POST", "/fine_tuning/alpha/graders/run", graders.run),
    ("GET", "/models", models.list_models),
    ("GET", "/models/{model}", models.retrieve),
    ("DELETE", "/models/{model}", models.delete),
    ("GET", "/chat/completions", completions.list_completions),
    ("POST", "/chat/completions", chat.create),
    ("GET", "/chat/completions/{completion_id}", completions.retrieve),
    ("POST", "/chat/completions/{completion_id}", completions.update),
    ("DELETE", "/chat/completions/{completion_id}", completions.delete),
    ("GET", "/chat/completions/{completion_id}/messages", completions.list_messages),
    ("GET", "/webhook_endpoints", webhooks.list_endpoints),
    ("POST", "/webhook_endpoints", webhooks.create),
    ("GET", "/webhook_endpoints/{endpoint_id}", webhooks.retrieve),
    ("POST", "/webhook_endpoints/{endpoint_id}", webhooks.update),
    ("DELETE", "/webhook_endpoints/{endpoint_id}", webhooks.delete),
    ("POST", "/webhook_endpoints/{endpoint_id}/rotate_secret", webhooks.rotate_secret),
    ("POST", "/webhook_endpoints/{endpoint_id}/test", webhooks.send_test),
    ("GET", "/webhook_event_types", webhooks.list_event_types),
    ("GET", "/_ledger", jobs.ledger),
    ("GET", "/_faults", faults.list_faults),
    ("POST", "/_faults", faults.create),
    ("DELETE", "/_faults", faults.clear),
    ("DELETE", "/_faults/{fault_id}", faults.delete),
]
# The oracle and the control stay honest, whatever faults are set.
NEVER_FAULTY = ("/_ledger", "/_faults")
FAULTY_ROUTES = frozenset(
    [f"{method} {path}" for method, path, _ in ROUTES if not path.startswith(NEVER_FAULTY)] + [faults.WEBHOOK]
)
COMPILED = [
    (method, path, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler)
    for method, path, handler in ROUTES
]


class SandboxApp:
    """A WSGI callable. ``sandbox`` is its state, for those who hold the app in the same process."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.sandbox = Sandbox(settings=settings, store=Store(settings.data_dir), routes=FAULTY_ROUTES)
        webhooks.configure(self.sandbox)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer one request, by PEP 3333. Raises ``ConnectionDropped`` when a fault wants no answer."""
        started = time.perf_counter()
        response = self.respond(Request.from_environ(environ))
        headers = {
            "Content-Type": response.content_type,
            "openai-version": "2020-10-01",
            "openai-organization": "sandbox",
            "openai-processing-ms": str(round((time.perf_counter() - started) * 1000)),
            "x-request-id": f"req_{secrets.token_hex(16)}",
            "x-sandbox": "true",
            **response.headers,
        }
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
        return response.body

    def respond(self, request: Request) -> Response:
        """Return the answer to a request; every error becomes the vendor's JSON."""
        try:
            if request.path == "/":
                return json_response(
                    {"object": "sandbox", "message": "A rehearsal of OpenAI's API. It trains nothing."}
                )
            check_key(self.sandbox, request.authorization)
            route, handler = find_handler(request)
            misbehavior.perform_late(self.sandbox, self._handle)
            lifecycle.settle(self.sandbox)
            if route not in FAULTY_ROUTES:
                return handler(self.sandbox, request)
            return misbehavior.answer(self.sandbox, request, route, partial(handler, self.sandbox))
        except misbehavior.ConnectionDropped:
            raise
        except ApiError as error:
            return json_response(error.body(), error.status)
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            message = "The server had an error while processing your request. Sorry about that!"
            return json_response(ApiError(500, message, type="server_error").body(), 500)

    def _handle(self, request: Request) -> Response:
        _, handler = find_handler(request)
        return handler(self.sandbox, request)

    def deliver_due_webhooks(self, now: float) -> int:
        """Send every webhook that is due at ``now`` (Unix seconds) and return how many arrived."""
        lifecycle.settle(self.sandbox)
        return deliveries.deliver_due(self.sandbox, now)


def create_app(settings: SandboxSettings) -> SandboxApp:
    """Return a sandbox over ``settings.data_dir``, which is made when it does not exist.

    Raises ``ValueError`` for a webhook address without a usable secret.
    """
    return SandboxApp(settings)


def check_key(sandbox: Sandbox, authorization: str) -> None:
    """Raise ``ApiError`` 401 in vendor's words unless the bearer key is good; ``sk-refused`` never is."""
    key = authorization.removeprefix("Bearer ").strip() if authorization.startswith("Bearer ") else ""
    if not key:
        raise ApiError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    allowed = sandbox.settings.allowed_keys
    if key == REFUSED_KEY or (allowed and key not in allowed):
        shown = f"{key[:3]}***{key[-4:]}" if len(key) > SHOWN_KEY_CHARACTERS else "***"
        raise ApiError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def find_handler(request: Request) -> tuple[str, Handler]:
    """Return the route and its handler with the path parameters bound. Raises ``ApiError`` 404 or 405."""
    found = [(m, path, pattern.fullmatch(request.path), handler) for m, path, pattern, handler in COMPILED]
    matching = [(method, path, match, handler) for method, path, match, handler in found if match]
    for method, path, match, handler in matching:
        if method == request.method:
            return f"{method} {path}", partial(handler, **match.groupdict())
    if matching:
        raise ApiError(
            405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported"
        )
    raise ApiError(404, f"Invalid URL ({request.method} /v1{request.path})", code="unknown_url")
