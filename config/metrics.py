"""`/metrics` for Prometheus: what processes measured, and what the rows say of the work that waits."""

import hmac
import os
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config import work
from finetuning.models import ProviderAccount
from jobs.models import Job


class QueueCollector(Collector):
    """Work that is due, from the rows themselves: true whichever process is asked, and after any restart."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        active = GaugeMetricFamily("attune_jobs", "Jobs that have not ended.", labels=["status"])
        for status, count in Job.objects.active().values_list("status").annotate(Count("id")).order_by():
            active.add_metric([status], count)
        yield active
        due = GaugeMetricFamily("attune_due_rows", "Rows that wait for a worker.", labels=["queue"])
        age = GaugeMetricFamily(
            "attune_due_age_seconds", "How long the first of them has waited.", labels=["queue"]
        )
        for waiting in work.waiting_rows(now):
            due.add_metric([waiting.kind], waiting.due)
            age.add_metric([waiting.kind], waiting.age_seconds)
        yield from (due, age, _beat_age(now), _paused_accounts(now), *_queues())


def _beat_age(now: datetime) -> Metric:
    """Without a sample for what was never sent: `absent` tells."""
    age = GaugeMetricFamily("attune_beat_age_seconds", "Since Beat last sent an entry.", labels=["entry"])
    for entry in work.beat_entries(now):
        if entry.age_seconds is not None:
            age.add_metric([entry.name], entry.age_seconds)
    return age


def _paused_accounts(now: datetime) -> Metric:
    paused = ProviderAccount.objects.filter(paused_until__gt=now).count()
    name, meaning = "attune_paused_provider_accounts", "Accounts that are left alone after failures."
    return GaugeMetricFamily(name, meaning, value=paused)


def _queues() -> Iterator[Metric]:
    lengths = work.queue_lengths()
    yield GaugeMetricFamily("attune_broker_up", "Whether the broker answers.", value=lengths is not None)
    messages = GaugeMetricFamily("attune_queue_messages", "Messages in the broker.", labels=["queue"])
    for queue, length in (lengths or {}).items():
        messages.add_metric([queue], length)
    yield messages


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, to whoever has METRICS_TOKEN. Without that setting there is no such page."""
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given, expected):
        raise Http404
    queues = CollectorRegistry()
    queues.register(QueueCollector())
    text = generate_latest(_measured()) + generate_latest(queues)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _measured() -> CollectorRegistry:
    """Of this process only, or, with a folder that they share, of all processes that know of it."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared
