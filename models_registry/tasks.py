"""Keeping house."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from models_registry import usage
from models_registry.models import Agent


@shared_task
def delete_expired_conversations(**_: Any) -> None:
    """Those of agents that keep theirs for so many days only."""
    now = timezone.now()
    for agent in Agent.objects.exclude(retention_days=None).select_related("organization"):
        agent.expired_conversations(now).delete()


@shared_task
def forget_usage_batches(**_: Any) -> None:
    """Those whose files of calls are too old to be counted, should they be found again."""
    usage.forget_batches(now=timezone.now())
