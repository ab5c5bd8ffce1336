"""ASGI entry point, served by uvicorn."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)

from config.body_limit import BodyLimit  # noqa: E402 - reads settings, which need the line above
from config.handler import Handler  # noqa: E402
from config.request_id import RequestId  # noqa: E402

application = RequestId(BodyLimit(Handler()))  # type: ignore[arg-type]
