"""ASGI entry point, served by uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_asgi_application()

from config.body_limit import BodyLimit  # noqa: E402 - reads settings, which need the line above
from config.request_id import RequestId  # noqa: E402

application = RequestId(BodyLimit(django_application))  # type: ignore[arg-type]
