"""Every error of the API has one shape: `application/problem+json` (RFC 9457), with our `code`."""

import math
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError
from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import page_not_found as not_found_page
from django.views.defaults import server_error as server_error_page
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from finetuning.api.places import HeaderInvalid, QueryInvalid
from finetuning.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ProviderFailed,
    Refused,
    TooLarge,
    TooMany,
    Unsupported,
)
from finetuning.providers.base import ProviderError

CONTENT_TYPE = "application/problem+json"
Problem = dict[str, Any]
# As RFC 9110 has them; the older names that Python knew depend on its version.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

STATUS_BY_KIND: dict[type[Refused], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Forbidden: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    ProviderFailed: HTTPStatus.BAD_GATEWAY,
}
# What only Django or the server raises, with what it means for the caller.
OTHER_PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    Http404: (404, "not_found", "There is nothing here, or nothing that you may see."),
    PermissionDenied: (403, "permission_denied", "You may not do this."),
    RequestDataTooBig: (413, "too_large", "The request body is too large."),
    TooManyFilesSent: (
        400,
        "too_many_files",
        f"At most {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files can be sent at once.",
    ),
    SuspiciousOperation: (400, "malformed", "The request has too many fields or files, or is malformed."),
    UnreadablePostError: (400, "malformed", "The request body ended early."),
}
# What is raised while the database or the storage of files is away, or too busy.
AWAY = (OperationalError, InterfaceError, BotoCoreError)
AWAY_SECONDS = 5


def problem(
    status: int, *, code: str, detail: str, errors: list[dict[str, str]], request_id: str | None
) -> Problem:
    """The body of an error. `errors` are `{pointer, code, detail}`, one for each wrong field.

    What is wrong in the query or a header has its name as `parameter` or `header` in place of the pointer.
    """
    body: Problem = {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase.title(),
        "status": status,
        "code": code,
        "detail": detail,
        "errors": errors,
    }
    return body | {"requestId": request_id} if request_id else body


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception; None, which raises it again, for one that is a fault of ours."""
    set_rollback()
    described = _describe(error)
    if described is None:
        return None
    status, code, detail, errors = described
    request = context["request"]
    body = problem(
        status, code=code, detail=detail, errors=errors, request_id=getattr(request, "request_id", None)
    )
    headers = _headers(error, status)
    if getattr(getattr(request, "accepted_renderer", None), "format", "") == "api":
        return Response(body, status=status, headers=headers)
    # Else the first renderer of the view would write it, which knows no problems where it is none of JSON.
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


@csrf_exempt
def unknown_path(request: HttpRequest, path: str) -> HttpResponse:
    """What stands under /api/ and is no route."""
    return _problem_of(
        request, 404, code="not_found", detail="There is no such path. /api/docs lists them all."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No route at all, which a path of the API can be by a line break in it."""
    return unknown_path(request, request.path) if _is_api(request) else not_found_page(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view sees it, such as another host."""
    kind = TooManyFilesSent if isinstance(exception, TooManyFilesSent) else SuspiciousOperation
    _, code, detail = OTHER_PROBLEMS[kind]
    if _is_api(request):
        return _problem_of(request, 400, code=code, detail=detail)
    return HttpResponse(render_to_string("400.html", {"detail": detail}), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own fault, or that something is away which we need: told without any of its details."""
    if isinstance(sys.exception(), AWAY):
        return _away(request)
    if not _is_api(request):
        return server_error_page(request)
    detail = "Something went wrong here, not with your request. Report the requestId if it stays."
    return _problem_of(request, 500, code="server_error", detail=detail)


def _away(request: HttpRequest) -> HttpResponse:
    detail = f"The service cannot do this just now. Send the same request again in {AWAY_SECONDS} seconds."
    answer = (
        _problem_of(request, 503, code="temporarily_unavailable", detail=detail)
        if _is_api(request)
        else server_error_page(request)
    )
    answer.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    answer["Retry-After"] = str(AWAY_SECONDS)
    return answer


def _is_api(request: HttpRequest) -> bool:
    return f"{request.path}/".startswith("/api/")


def _problem_of(request: HttpRequest, status: int, *, code: str, detail: str) -> HttpResponse:
    return plain_problem(status, code=code, detail=detail, request_id=getattr(request, "request_id", None))


def plain_problem(status: int, *, code: str, detail: str, request_id: str | None) -> HttpResponse:
    """A problem where no view of REST framework answers."""
    body = problem(status, code=code, detail=detail, errors=[], request_id=request_id)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def _describe(error: Exception) -> tuple[int, str, str, list[dict[str, str]]] | None:
    if isinstance(error, Refused):
        status = next(status for kind, status in STATUS_BY_KIND.items() if isinstance(error, kind))
        where = [{"pointer": error.pointer, "code": error.code, "detail": error.message}]
        return status, error.code, error.message, where if error.pointer else []
    if isinstance(error, ProviderError):
        return HTTPStatus.BAD_GATEWAY, error.code, error.message, []
    if isinstance(error, ValidationError):
        errors = _located(error)
        return error.status_code, "invalid", " ".join(_sentence(item) for item in errors[:3]), errors
    if isinstance(error, APIException):
        return error.status_code, _code_of(error), str(_first(error.detail)), []
    for kind, (status_code, code, detail) in OTHER_PROBLEMS.items():
        if isinstance(error, kind):
            return status_code, code, detail, []
    return None


def _located(error: ValidationError) -> list[dict[str, str]]:
    found = list(_field_errors(error.detail))
    member = {QueryInvalid: "parameter", HeaderInvalid: "header"}.get(type(error))
    if member is None:
        return found
    return [
        {member: item["pointer"].removeprefix("/").replace("~1", "/").replace("~0", "~")}
        | {key: item[key] for key in ("code", "detail")}
        for item in found
    ]


def _sentence(item: dict[str, str]) -> str:
    place = (item.get("pointer") or item.get("parameter") or item.get("header") or "").lstrip("/")
    return f"{place}: {item['detail']}" if place else item["detail"]


def _field_errors(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """The leaves of a nested DRF error, each with the JSON pointer of its field."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from _field_errors(value, pointer if key == "non_field_errors" else f"{pointer}/{step}")
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            nested = isinstance(item, dict | list)
            yield from _field_errors(item, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def _first(detail: Any) -> Any:
    """One sentence of an exception's detail, which some packages make an object or a list."""
    if isinstance(detail, dict):
        return _first(detail.get("detail", next(iter(detail.values()), "")))
    return _first(detail[0]) if isinstance(detail, list) and detail else detail


def _code_of(error: APIException) -> str:
    first = _first(error.detail)
    return first.code if isinstance(first, ErrorDetail) and first.code else error.default_code


def _headers(error: Exception, status: int) -> dict[str, str]:
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = getattr(error, "auth_header", 'Bearer realm="api"')
    wait = getattr(error, "wait", None) or getattr(error, "retry_after", None)
    if wait is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    return headers
