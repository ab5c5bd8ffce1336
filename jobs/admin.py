"""Operators' view of jobs, across all tenants."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from finetuning.errors import Refused
from finetuning.models import User
from jobs import services
from jobs.models import Job, JobEvent


@admin.register(Job)
class JobAdmin(admin.ModelAdmin[Job]):
    list_display = (
        "name",
        "organization",
        "status",
        "base_model",
        "provider_job_id",
        "next_check_at",
        "created_at",
    )
    list_filter = ("status", "provider_account__kind", "method")
    search_fields = ("name", "id", "provider_job_id", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)
    actions = ("check_now", "cancel")

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> tuple[str, ...]:
        return tuple(f.name for f in Job._meta.fields if f.name not in ("name", "description"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @admin.action(description="Ask the provider now")
    def check_now(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            try:
                services.sync_job(job)
            except Refused as refusal:
                self.message_user(request, f"{job}: {refusal.message}", messages.WARNING)
        self.message_user(request, f"{len(queryset)} jobs were looked at.")

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        assert isinstance(request.user, User)
        for job in queryset:
            try:
                services.cancel_job(job, by=request.user)
            except Refused as refusal:
                self.message_user(request, f"{job}: {refusal.message}", messages.WARNING)


@admin.register(JobEvent)
class JobEventAdmin(admin.ModelAdmin[JobEvent]):
    list_display = ("created_at", "job_id", "event_type", "level", "message")
    list_filter = ("event_type", "level")
    search_fields = ("=job__id", "=provider_event_id")
    search_help_text = "The id of a job, or of an event at the provider."
    date_hierarchy = "created_at"
    show_full_result_count = False
    ordering = ("-created_at", "-id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: JobEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: JobEvent | None = None) -> bool:
        return False
