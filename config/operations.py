"""The page of operators on how the installation stands."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, F, FilteredRelation, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from config import work
from finetuning.models import Organization, ProviderAccount
from jobs.models import Job

SHOWN = 20
ERRORS_OF = timedelta(hours=24)


def show_operations(request: HttpRequest) -> HttpResponse:
    """Queues, due and stuck rows, Beat, accounts with errors and storage. The broker may be down."""
    now = timezone.now()
    context = admin.site.each_context(request) | {
        "title": "Operations",
        "now": now,
        "queues": work.queue_lengths(),
        "waiting": list(work.waiting_rows(now)),
        "beat": work.beat_entries(now),
        "stuck_jobs": list(_stuck_jobs(now)),
        "accounts": list(_accounts(now)),
        "storage": list(_storage()),
        "poll_interval_seconds": settings.POLL_INTERVAL_SECONDS,
    }
    return TemplateResponse(request, "admin/operations.html", context)


def _stuck_jobs(now: datetime) -> Iterable[Job]:
    stuck = Job.objects.due(now).filter(next_check_at__lt=work.stuck_since(now))
    found: Iterable[Job] = stuck.select_related("organization")[:SHOWN]
    return found


def _accounts(now: datetime) -> Iterable[dict[str, Any]]:
    """Those with errors in a day, the most first: how many, and in how many of the jobs that were polled."""
    recent = FilteredRelation("jobs", condition=Q(jobs__last_polled_at__gte=now - ERRORS_OF))
    failed = Q(recent_jobs__events__event_type="error", recent_jobs__events__created_at__gte=now - ERRORS_OF)
    counted = ProviderAccount.objects.annotate(recent_jobs=recent).annotate(
        jobs_seen=Count("recent_jobs", distinct=True),
        jobs_failing=Count("recent_jobs", filter=failed, distinct=True),
        errors=Count("recent_jobs__events", filter=failed, distinct=True),
    )
    bad = counted.filter(Q(errors__gt=0) | Q(failures__gt=0) | ~Q(last_error=""))
    columns = ("pk", "name", "kind", "failures", "paused_until", "last_error")
    numbers = ("jobs_seen", "jobs_failing", "errors")
    found: Iterable[dict[str, Any]] = bad.order_by("-errors", "-failures", "pk").values(
        *columns, *numbers, organization_name=F("organization__name")
    )[:SHOWN]
    return found


def _storage() -> Iterable[Any]:
    """The organizations whose datasets take most, from the numbers that are kept of them."""
    size = Q(stat_changes__subject="datasets", stat_changes__measure="size_bytes")
    used = Organization.with_deleted.filter(size).annotate(size_bytes=Sum("stat_changes__amount"))
    return (
        used.filter(size_bytes__gt=0).order_by("-size_bytes", "pk").values("pk", "name", "size_bytes")[:SHOWN]
    )
