"""What waits to be done, and whether anybody does it: for the page of operators and for Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django_celery_beat.models import PeriodicTask
from redis import Redis
from redis.exceptions import RedisError

from datasets.models import Dataset, DatasetRange
from finetuning.models import WebhookDelivery
from jobs.models import Job

# A broker that is away must not keep the page waiting.
BROKER_SECONDS = 1.0
# A row that was due for longer was missed by that many sweeps.
STUCK_AFTER_SWEEPS = 3


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Rows of one kind whose next step is due. `age_seconds` is of the one that has waited longest."""

    kind: str
    due: int
    stuck: int
    age_seconds: float


@dataclass(frozen=True, kw_only=True)
class Beat:
    """One entry of the schedule. `is_late`: it should have been sent since; also when it never was."""

    name: str
    last_run_at: datetime | None
    age_seconds: float | None
    is_late: bool


def waiting_rows(now: datetime) -> Iterator[Waiting]:
    """The same whichever process is asked, and after any restart: it stands in the rows."""
    deliveries = WebhookDelivery.objects.due(now)
    yield _waiting("jobs", Job.objects.due(now), "next_check_at", now)
    yield _waiting("datasets", Dataset.with_deleted.due(now), "next_check_at", now)
    yield _waiting("dataset ranges", DatasetRange.objects.due(now), "next_check_at", now)
    yield _waiting("webhooks", deliveries, "next_attempt_at", now)


def stuck_since(now: datetime) -> datetime:
    """What was due before this moment is stuck."""
    return now - timedelta(seconds=STUCK_AFTER_SWEEPS * settings.POLL_INTERVAL_SECONDS)


def _waiting(kind: str, rows: QuerySet[Any], column: str, now: datetime) -> Waiting:
    stuck = Count("pk", filter=Q(**{f"{column}__lt": stuck_since(now)}))
    found = rows.order_by().aggregate(due=Count("pk"), stuck=stuck, since=Min(column))
    age = (now - found["since"]).total_seconds() if found["since"] else 0.0
    return Waiting(kind=kind, due=found["due"], stuck=found["stuck"], age_seconds=age)


def beat_entries(now: datetime) -> list[Beat]:
    """The shipped schedule, with when Beat last sent each entry."""
    last_runs = dict(PeriodicTask.objects.values_list("name", "last_run_at"))
    return [_beat(name, entry["schedule"], last_runs.get(name), now) for name, entry in _schedule()]


def _schedule() -> list[tuple[str, dict[str, timedelta | float]]]:
    return sorted(settings.CELERY_BEAT_SCHEDULE.items())


def _beat(name: str, period: timedelta | float, last_run_at: datetime | None, now: datetime) -> Beat:
    seconds = period.total_seconds() if isinstance(period, timedelta) else period
    age = (now - last_run_at).total_seconds() if last_run_at else None
    is_late = age is None or age > STUCK_AFTER_SWEEPS * seconds
    return Beat(name=name, last_run_at=last_run_at, age_seconds=age, is_late=is_late)


def queue_lengths() -> dict[str, int] | None:
    """How many messages wait in each queue of the broker; None while it does not answer."""
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
        ) as broker:
            return {name: int(broker.llen(name)) for name in sorted(current_app.amqp.queues)}
    except (RedisError, OSError):
        return None
