"""Keeping house."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from finetuning.models import IdempotentAnswer, SignInCounter


@shared_task
def delete_old_counters_and_answers(**_: Any) -> None:
    """What no sign-in and no repeated request can ask for any more."""
    now = timezone.now()
    SignInCounter.objects.over(now).delete()
    IdempotentAnswer.objects.forgotten(now).delete()
