"""Tasks around the models' methods of the same names."""

from typing import Any

from celery import shared_task

from finetuning.models import StatChange


@shared_task
def compact_stats(**_: Any) -> None:
    StatChange.objects.compact()
