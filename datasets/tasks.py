"""Tasks around the services of the same names."""

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from datasets import reading
from datasets.models import Dataset

SWEEP_SIZE = 100


@shared_task
def validate_dataset(*, dataset_id: str, **_: Any) -> None:
    reading.validate_dataset(Dataset.with_deleted.get(pk=dataset_id))


@shared_task
def validate_due_datasets(**_: Any) -> None:
    """Ring for every dataset that waits to be read, or whose reader has died."""
    due = Dataset.with_deleted.due(timezone.now()).values_list("pk", flat=True)[:SWEEP_SIZE]
    for dataset_id in due:
        validate_dataset.apply_async(
            kwargs={"dataset_id": str(dataset_id)}, expires=settings.POLL_INTERVAL_SECONDS
        )
