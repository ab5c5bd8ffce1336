"""`/metrics` for Prometheus: what this process measured, and what the rows say of the work that waits."""

import hmac
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from datasets.models import Dataset
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
        for queue, rows in (("jobs", Job.objects), ("datasets", Dataset.with_deleted)):
            found = rows.due(now).order_by().aggregate(rows=Count("id"), since=Min("next_check_at"))
            due.add_metric([queue], found["rows"])
            age.add_metric([queue], _seconds(found["since"], now))
        yield from (due, age)


def _seconds(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else 0.0


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, to whoever has METRICS_TOKEN. Without that setting there is no such page."""
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given, expected):
        raise Http404
    queues = CollectorRegistry()
    queues.register(QueueCollector())
    text = generate_latest(REGISTRY) + generate_latest(queues)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
