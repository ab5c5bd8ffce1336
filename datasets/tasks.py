"""Tasks around the services of the same names."""

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from datasets import ranges, reading
from datasets.models import Dataset, DatasetRange
from finetuning.log_context import note
from finetuning.queueing import queue_on_commit

SWEEP_SIZE = 100
# So many ranges of one file wait in the queue, and each that was read rings for another: a large file does
# not keep small ones waiting.
RANGES_AT_ONCE = 8


@shared_task
def validate_dataset(*, dataset_id: str, **_: Any) -> None:
    dataset = Dataset.with_deleted.get(pk=dataset_id)
    note(organization_id=dataset.organization_id)
    reading.validate_dataset(dataset)
    _ring_for_ranges(dataset, range(RANGES_AT_ONCE))


@shared_task
def read_range(*, range_id: int, **_: Any) -> None:
    part = DatasetRange.objects.filter(pk=range_id).first()
    if part is None:
        return
    ranges.read_range(part)
    following = part.number + RANGES_AT_ONCE
    _ring_for_ranges(part.dataset, range(following, following + 1))
    reading.validate_dataset(part.dataset)


def _ring_for_ranges(dataset: Dataset, numbers: range) -> None:
    waiting = dataset.ranges.due(timezone.now()).filter(number__in=numbers)
    for range_id in waiting.values_list("pk", flat=True):
        queue_on_commit(read_range, range_id=range_id)


@shared_task
def validate_due_datasets(**_: Any) -> None:
    """Ring for every dataset that waits to be read, or whose reader has died, and for every such range."""
    now = timezone.now()
    for dataset_id in Dataset.with_deleted.due(now).values_list("pk", flat=True)[:SWEEP_SIZE]:
        validate_dataset.apply_async(
            kwargs={"dataset_id": str(dataset_id)}, expires=settings.POLL_INTERVAL_SECONDS
        )
    for range_id in DatasetRange.objects.due(now).values_list("pk", flat=True)[:SWEEP_SIZE]:
        read_range.apply_async(kwargs={"range_id": range_id}, expires=settings.POLL_INTERVAL_SECONDS)
