"""Who was refused what: one line of the log each, so that whoever tries doors is seen."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

from finetuning.clients import client_address
from finetuning.log_context import log_context

logger = logging.getLogger(__name__)

REFUSED = {401, 403, 429}


class RefusalMiddleware:
    """Logs what somebody may not do or asks for too often, and rows that were asked for and not found."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code in REFUSED or _is_foreign(request, response):
            user_id = request.user.pk if hasattr(request, "user") else None
            with log_context(user_id=user_id, address=client_address(request)):
                logger.warning("refused %s %s: %d", request.method, _path(request), response.status_code)
        return response


class LinkFilter(logging.Filter):
    """Keeps the tokens of links out of what Django logs of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            record.args = tuple(_path(request) if part == request.path else part for part in record.args)
        return True


def _is_foreign(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether a row was not found: one of somebody else is answered like one that there is not."""
    return response.status_code == 404 and bool(request.resolver_match and request.resolver_match.kwargs)


def _path(request: HttpRequest) -> str:
    """Without the token that lets the reader of an e-mail in."""
    token = request.resolver_match.kwargs.get("token") if request.resolver_match else None
    return escape_uri_path(request.path.replace(token, "...") if token else request.path)
