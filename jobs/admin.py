"""Operators' view of jobs, across all tenants."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from finetuning.errors import Refused
from finetuning.models import User
from finetuning.operators import OperatorAdmin, ReadOnlyAdmin, linked, lists_of
from jobs import services, steering
from jobs.models import Job, JobEvent


@admin.register(Job)
class JobAdmin(OperatorAdmin):
    list_display = (
        "name",
        linked("organization"),
        "status",
        linked("dataset"),
        linked("provider_account"),
        "base_model",
        "provider_job_id",
        "next_check_at",
        "created_at",
    )
    list_filter = ("status", "provider_account__kind", "method", "created_at")
    search_fields = ("name", "id", "provider_job_id", "organization__name")
    date_hierarchy = "created_at"
    # Of the account its organization too: its name says whose it is.
    list_select_related = ("organization", "dataset", "provider_account__organization")
    actions = ("check_now", "cancel", "force_cancel", "export_csv")

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> tuple[str, ...]:
        return (
            "related",
            *(f.name for f in Job._meta.fields if f.name not in ("name", "description")),
        )

    @admin.display(description="Rows")
    def related(self, job: Job) -> str:
        """Links to the lists of what belongs to it."""
        return lists_of(job, "job")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @admin.action(description="Ask the provider now", permissions=["act"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            try:
                services.sync_job(job)
            except Refused as refusal:
                self.message_user(request, f"{job}: {refusal.message}", messages.WARNING)
        self.message_user(request, f"{len(queryset)} jobs were looked at.")

    @admin.action(description="Cancel: ask the provider", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        assert isinstance(request.user, User)
        for job in queryset:
            try:
                services.cancel_job(job, by=request.user)
            except Refused as refusal:
                self.message_user(request, f"{job}: {refusal.message}", messages.WARNING)

    @admin.action(description="Force cancel: end them here, whatever the provider says", permissions=["act"])
    def force_cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        assert isinstance(request.user, User)
        for job in queryset.select_related("provider_account"):
            try:
                steering.force_cancel_job(job, by=request.user)
            except Refused as refusal:
                self.message_user(request, f"{job}: {refusal.message}", messages.WARNING)


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", linked("job"), "event_type", "level", "message")
    list_filter = ("event_type", "level")
    search_fields = ("=job__id", "=provider_event_id")
    search_help_text = "The id of a job, or of an event at the provider."
    date_hierarchy = "created_at"
    list_select_related = ("job",)
    ordering = ("-created_at", "-id")
