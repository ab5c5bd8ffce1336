"""Operators' view of what the product writes down by itself: the audit, webhooks, Beat's schedule."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from finetuning.models import AuditEntry, WebhookDelivery, WebhookEndpoint
from finetuning.operators import ReadOnlyAdmin, linked


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "actor_name", "action", "target_name", linked("organization"), "address")
    list_filter = ("target_type", ("actor", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("=actor_name", "=target_id", "=request_id", "=address", "organization__name")
    search_help_text = (
        "An e-mail, the id of a row, a request or an address, or a part of an organization's name."
    )
    date_hierarchy = "created_at"
    list_select_related = ("organization",)
    ordering = ("-id",)
    fields = (
        *("created_at", "organization", "actor_name", "action", "target_type", "target_id", "target_name"),
        *("before_and_after", "address", "request_id"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        # An organization that was deleted for good is named by no row any more.
        return super().get_queryset(request).select_related("organization")

    @admin.display(description="Before and after")
    def before_and_after(self, entry: AuditEntry) -> str:
        return json.dumps(entry.changes, indent=2, ensure_ascii=False)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    list_display = ("url", linked("organization"), "is_enabled", "failures", "failing_since", "created_at")
    list_filter = ("is_enabled", ("failing_since", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("id", "url", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)
    ordering = ("-created_at", "-id")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "event_type",
        linked("endpoint"),
        "status",
        "attempts",
        "answer_status",
        "created_at",
    )
    list_filter = (
        "event_type",
        ("delivered_at", admin.EmptyFieldListFilter),
        ("next_attempt_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("=id", "=endpoint__id", "endpoint__organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("endpoint",)
    ordering = ("-created_at", "-id")


for schedule in (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule, PeriodicTask):
    admin.site.unregister(schedule)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReadOnlyAdmin):
    """The schedule of the settings, which Beat writes here when it starts: nothing to change or delete."""

    list_display = ("name", "enabled", "interval", "crontab", "last_run_at", "total_run_count")
    list_filter = ("enabled", "last_run_at")
    search_fields = ("name", "task")
    date_hierarchy = "date_changed"
    list_select_related = ("interval", "crontab")
    ordering = ("name",)
