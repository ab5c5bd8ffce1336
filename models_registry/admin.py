"""Operators' view of models, agents and keys, across all tenants, deleted rows included."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from finetuning.admin.prices import HTTPS_ASSUMED
from finetuning.operators import OperatorAdmin, ReadOnlyAdmin, linked
from models_registry import api_keys, services
from models_registry.models import Agent, AgentSwitch, ApiKey, FineTunedModel, PlainPrice, UsageBatch


@admin.register(FineTunedModel)
class FineTunedModelAdmin(OperatorAdmin):
    list_display = (
        "name",
        linked("organization"),
        linked("job"),
        "status",
        "deployed",
        "provider_model_id",
        "total_requests",
        "created_at",
    )
    list_filter = ("status", "deployed", "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "id", "provider_model_id", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization", "job")
    actions = ("restore", "export_csv")

    def get_readonly_fields(self, request: HttpRequest, obj: FineTunedModel | None = None) -> tuple[str, ...]:
        return tuple(f.name for f in FineTunedModel._meta.fields if f.name not in ("name", "description"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[FineTunedModel]:
        return FineTunedModel.with_deleted.all()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FineTunedModel | None = None) -> bool:
        return False

    @admin.action(description="Restore deleted models", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[FineTunedModel]) -> None:
        for model in queryset:
            services.restore_model(model)
        self.message_user(request, f"{len(queryset)} models restored.")


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        linked("organization"),
        linked("model"),
        linked("second_model"),
        "second_share",
        "recording",
        "updated_at",
    )
    list_filter = ("recording", "falls_back_to_base", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("name", "id", "organization__name")
    list_select_related = ("organization", "model", "second_model")


@admin.register(AgentSwitch)
class AgentSwitchAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        linked("agent"),
        "action",
        linked("model"),
        linked("second_model"),
        "second_share",
        "created_by",
    )
    list_filter = ("action",)
    search_fields = ("agent__name", "agent__id")
    date_hierarchy = "created_at"
    list_select_related = ("agent", "model", "second_model", "created_by")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "prefix",
        linked("organization"),
        linked("created_by"),
        "last_used_at",
        "revoked_at",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "prefix", "id", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization", "created_by")
    exclude = ("digest",)
    actions = ("revoke", "export_csv")

    @admin.action(description="Revoke keys", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            api_keys.revoke_key(key)
        self.message_user(request, f"{len(queryset)} keys revoked.")


@admin.register(UsageBatch)
class UsageBatchAdmin(ReadOnlyAdmin):
    """Files of calls of which some were put aside, see docs/gateway.md."""

    list_filter = ("created_at",)
    search_fields = ("=id", "reason")
    list_display = ("created_at", "id", "refused_calls", "reason")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageBatch]:
        return super().get_queryset(request).filter(refused_calls__gt=0)


@admin.register(PlainPrice)
class PlainPriceAdmin(OperatorAdmin):
    """Of models that nobody tuned, see docs/price-book.md. A new price is a new row with its first day."""

    list_display = (
        *("model", "provider_kind", "valid_from", "input_usd", "cached_input_usd", "output_usd"),
        "source_url",
    )
    list_filter = ("provider_kind", "model")
    search_fields = ("model", "source_url")
    date_hierarchy = "valid_from"
    ordering = ("provider_kind", "model", "-valid_from")
    formfield_overrides = HTTPS_ASSUMED
    save_as = True
