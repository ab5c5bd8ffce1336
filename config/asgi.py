"""ASGI entry point, served by uvicorn."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - reads settings, which need the line above

from config.body_limit import BodyLimit  # noqa: E402
from config.handler import Handler  # noqa: E402
from config.https import HttpsOnly  # noqa: E402
from config.request_id import Receive, RequestId, Scope, Send  # noqa: E402
from models_registry.gateway.app import PREFIX, Gateway  # noqa: E402

gateway = Gateway(settings.GATEWAY_FOLDER)
site = BodyLimit(Handler())  # type: ignore[arg-type]


async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Calls of models pass by Django, whose middleware would take longer than all the rest."""
    is_call = scope["type"] == "lifespan" or scope["path"].startswith(f"{PREFIX}/")
    await (gateway if is_call else site)(scope, receive, send)


application = RequestId(HttpsOnly(by_path))
