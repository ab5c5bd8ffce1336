"""`Idempotency-Key`: a request that is sent again is answered again, not done again.

The key's row is inserted before anything is made, in the transaction that makes it. PostgreSQL lets one of
several inserts through and the others wait for the end of its transaction: then they find its answer, or are
the first themselves when it made nothing. So only answers to what was done are kept; what was refused may be
mended and sent again under the same key.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, OperationalError, connection, transaction
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.places import HeaderInvalid
from finetuning.errors import TooMany
from finetuning.models import IdempotentAnswer
from finetuning.models.idempotency import MAX_KEY_LENGTH

if TYPE_CHECKING:
    from finetuning.api.views import OrganizationViewSet

HEADER = "Idempotency-Key"
KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")
KEPT_HEADERS = ("Location", "Cache-Control")
# A first request that takes longer keeps the others waiting no longer.
PATIENCE = "SET LOCAL lock_timeout = '30s'"


class KeyReused(APIException):
    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another request. Take a new key for each request."


class KeyInUse(APIException):
    status_code = 409
    default_code = "idempotency_key_in_use"
    default_detail = "The first request with this Idempotency-Key is not done yet. Send it again in a moment."
    wait = 1


class AnswerLost(APIException):
    status_code = 409
    default_code = "idempotency_answer_lost"
    default_detail = (
        "The request with this Idempotency-Key was done, but its answer cannot be read any more. "
        "List what there is."
    )


def answer_once(
    view: "OrganizationViewSet", handler: Callable[..., Response], **kwargs: Any
) -> HttpResponseBase:
    """The answer of `handler`, or the one that the same request got before.

    Raises HeaderInvalid, KeyReused, KeyInUse, AnswerLost, and what `handler` raises; then nothing was made.
    """
    key = _read_key(view.request)
    if key is None:
        with view.prepare() as view.prepared:
            return handler(view.request, **kwargs)
    answers = view.organization.idempotent_answers
    fingerprint = _fingerprint(view.request)
    if answer := answers.kept(timezone.now()).filter(key=key).first():
        return _replay(answer, fingerprint)
    try:
        with view.prepare() as view.prepared, transaction.atomic():
            answer, is_new = _claim(view, key, fingerprint)
            return _keep(answer, handler(view.request, **kwargs)) if is_new else _replay(answer, fingerprint)
    except TooMany:
        # The first request may have taken the last place while this one was preparing.
        if answer := answers.kept(timezone.now()).filter(key=key).first():
            return _replay(answer, fingerprint)
        raise


def _read_key(request: Request) -> str | None:
    key = request.headers.get(HEADER)
    if key is not None and not KEY.fullmatch(key):
        detail = f"Give 1 to {MAX_KEY_LENGTH} visible ASCII characters, such as a UUID."
        raise HeaderInvalid(HEADER, detail, code="idempotency_key_invalid")
    return key


def _fingerprint(request: Request) -> str:
    """SHA-256 of the sender, the operation and what was sent; of a file its name and content count."""
    sent = dict(request.data.lists()) if isinstance(request.data, QueryDict) else request.data
    parts = [str(request.user.pk), request.method, request.path, request.META.get("QUERY_STRING", ""), sent]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_file).encode()).hexdigest()


def _file(file: "UploadedFile[bytes]") -> list[Any]:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return [file.name, digest.hexdigest()]


def _claim(view: "OrganizationViewSet", key: str, fingerprint: str) -> tuple[IdempotentAnswer, bool]:
    """The key's row, and whether it was inserted now. Waits while another request is about to insert it."""
    answers, now = view.organization.idempotent_answers, timezone.now()
    try:
        with connection.cursor() as cursor:
            cursor.execute(PATIENCE)
        answers.forgotten(now).filter(key=key).delete()
        with transaction.atomic():
            return answers.create(key=key, fingerprint=fingerprint, created_at=now), True
    except IntegrityError:
        return answers.get(key=key), False
    except OperationalError as error:
        raise KeyInUse from error


def _keep(answer: IdempotentAnswer, response: Response) -> HttpResponse:
    """The response as text, which is kept to the byte."""
    body = JSONRenderer().render(response.data).decode()
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    answer.keep(status=response.status_code, headers=headers, body=body)
    return HttpResponse(body, status=response.status_code, headers=headers, content_type="application/json")


def _replay(answer: IdempotentAnswer, fingerprint: str) -> HttpResponse:
    if answer.fingerprint != fingerprint:
        raise KeyReused
    try:
        kept = answer.answer
    except InvalidTag as error:
        raise AnswerLost from error
    headers = kept["headers"] | {"Idempotent-Replayed": "true"}
    return HttpResponse(kept["body"], status=kept["status"], headers=headers, content_type="application/json")
