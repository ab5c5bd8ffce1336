"""Keeping house."""

from typing import Any

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from finetuning.models import IdempotentAnswer, SignInCounter, StatChange, TokenFamily


@shared_task
def compact_stats(**_: Any) -> None:
    StatChange.objects.compact()


@shared_task
def delete_expired_sessions(**_: Any) -> None:
    """Their rows of PageSession go with them."""
    Session.objects.filter(expire_date__lte=timezone.now()).delete()


@shared_task
def delete_expired_token_families(**_: Any) -> None:
    """Without its row a token is refused too, so an expired family is of no use to anybody."""
    TokenFamily.objects.filter(expires_at__lte=timezone.now()).delete()


@shared_task
def delete_old_counters_and_answers(**_: Any) -> None:
    """What no sign-in and no repeated request can ask for any more."""
    now = timezone.now()
    SignInCounter.objects.over(now).delete()
    IdempotentAnswer.objects.forgotten(now).delete()
