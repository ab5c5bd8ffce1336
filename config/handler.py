"""Django's handler, for requests whose headers name charsets that Django fails at before any view runs."""

from collections.abc import Mapping
from typing import IO, Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase

from config.request_id import given_request_id
from finetuning.api.errors import plain_problem


class Utf8Request(ASGIRequest):
    """Is read as UTF-8. The charset that it claims may be one of Python's for no text, as base64 is."""

    @property
    def encoding(self) -> str | None:
        return None

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        pass


class Handler(ASGIHandler):
    request_class = Utf8Request

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        try:
            return super().create_request(scope, body_file)
        except (LookupError, ValueError):
            return None, _malformed(scope)


def _malformed(scope: Mapping[str, Any]) -> HttpResponse:
    if not scope["path"].startswith("/api/"):
        return HttpResponseBadRequest()
    detail = "The Content-Type names a charset that there is not. Send UTF-8."
    return plain_problem(400, code="malformed", detail=detail, request_id=given_request_id(scope))
