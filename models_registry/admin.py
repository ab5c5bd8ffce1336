"""Operators' view of fine-tuned models, across all tenants, deleted rows included."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from models_registry.models import FineTunedModel


@admin.register(FineTunedModel)
class FineTunedModelAdmin(admin.ModelAdmin[FineTunedModel]):
    list_display = (
        "name",
        "organization",
        "status",
        "deployed",
        "provider_model_id",
        "total_requests",
        "created_at",
    )
    list_filter = ("status", "deployed", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "id", "provider_model_id", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)
    actions = ("restore",)

    def get_readonly_fields(self, request: HttpRequest, obj: FineTunedModel | None = None) -> tuple[str, ...]:
        return tuple(f.name for f in FineTunedModel._meta.fields if f.name not in ("name", "description"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[FineTunedModel]:
        return FineTunedModel.with_deleted.all()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FineTunedModel | None = None) -> bool:
        return False

    @admin.action(description="Restore deleted models")
    def restore(self, request: HttpRequest, queryset: QuerySet[FineTunedModel]) -> None:
        restored = queryset.update(deleted_at=None)
        self.message_user(request, f"{restored} models restored.")
