"""`ETag`: what was read is what is changed, or nothing is."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.http import parse_etags
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

if TYPE_CHECKING:
    from finetuning.api.views import OrganizationViewSet


class PreconditionFailed(APIException):
    status_code = 412
    default_code = "precondition_failed"
    default_detail = "It was changed since you read it. Read it again, and send the change with its new ETag."


def etag_of(representation: Any) -> str:
    """A strong ETag: SHA-256 of the row as the API shows it."""
    return f'"{hashlib.sha256(JSONRenderer().render(representation)).hexdigest()[:32]}"'


def change_if_unchanged(
    view: "OrganizationViewSet", handler: Callable[..., Response], **kwargs: Any
) -> Response:
    """The answer of `handler`, which changes a row; with `If-Match` only if the row is still as it was read.

    The row is locked from the comparison until the change is committed, so of several changes to the same
    state one is made. Raises PreconditionFailed.
    """
    wanted = view.request.headers.get("If-Match")
    with view.prepare() as view.prepared:
        if wanted is None:
            return handler(view.request, **kwargs)
        with transaction.atomic():
            view.lock_object()
            present = etag_of(view.retrieve(view.request, **kwargs).data)
            if wanted.strip() != "*" and present not in parse_etags(wanted):
                raise PreconditionFailed
            return handler(view.request, **kwargs)


def add_etag(view: "OrganizationViewSet", response: Response) -> Response:
    """The response with its ETag; 304 and empty where `If-None-Match` says that it is known."""
    etag = etag_of(response.data)
    known = parse_etags(view.request.headers.get("If-None-Match", ""))
    if view.request.method == "GET" and ("*" in known or etag in [one.removeprefix("W/") for one in known]):
        return Response(status=304, headers={"ETag": etag})
    response["ETag"] = etag
    return response
