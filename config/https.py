"""Programs that use plain HTTP are refused where the site is served over HTTPS; Django sends pages on to it.

A redirect would let a program go on for years to send its key where everybody on the way can read it.
"""

import json

from django.conf import settings

from config.request_id import Application, Receive, Scope, Send, given_request_id
from finetuning.api.errors import CONTENT_TYPE, problem
from models_registry.gateway.app import PREFIX
from models_registry.gateway.errors import GatewayError

CODE = "https_required"
DETAIL = "Use HTTPS. Others can have read the key or the token of this request on its way: replace it."
PROGRAMS = ("/api/", "/metrics", "/webhooks/", f"{PREFIX}/")


class HttpsOnly:
    """Answers 403 to programs that use plain HTTP, when Django sends pages to HTTPS."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_plain = scope["type"] == "http" and settings.SECURE_SSL_REDIRECT and not _is_secure(scope)
        if is_plain and scope["path"].startswith(PROGRAMS):
            await _refuse(scope, send)
        else:
            await self.application(scope, receive, send)


def _is_secure(scope: Scope) -> bool:
    """As Django knows it: the proxy says so."""
    told = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
    return scope["scheme"] == "https" or told == [b"https"]


async def _refuse(scope: Scope, send: Send) -> None:
    refusal = GatewayError(403, DETAIL, code=CODE)
    headers, body = refusal.raw_headers, refusal.body
    if not scope["path"].startswith(f"{PREFIX}/"):
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        told = problem(403, code=CODE, detail=DETAIL, errors=[], request_id=given_request_id(scope))
        body = json.dumps(told).encode()
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
