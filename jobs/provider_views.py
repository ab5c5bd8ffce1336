"""The door for providers' webhooks."""

import logging
from http import HTTPStatus
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from finetuning.models import ProviderAccount
from finetuning.providers.webhooks import NoticeRefused
from jobs.notices import take_notice

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """204 when it was taken, also again; 400 with a reason; 404 where no account expects any; 413."""
    account = ProviderAccount.objects.expecting_webhooks().filter(pk=account_id).first()
    if account is None:
        return _say(HTTPStatus.NOT_FOUND, "No webhooks are expected here.")
    try:
        body = request.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A webhook has at most 1 MB.")
        take_notice(account, body, request.headers)
    except (NoticeRefused, UnreadablePostError) as refusal:
        logger.warning("account %s was sent a webhook that was refused: %s", account.pk, refusal)
        return _say(HTTPStatus.BAD_REQUEST, str(refusal))
    except InvalidTag:
        logger.exception("the webhook secrets of account %s fit none of ENCRYPTION_KEYS", account.pk)
        return _say(HTTPStatus.BAD_REQUEST, "The signature cannot be checked here at present.")
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _say(status: HTTPStatus, words: str) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
