"""Operators' view of users, organizations and provider accounts, across all tenants."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from finetuning.models import (
    BasePrice,
    BaseRetirement,
    Invitation,
    Membership,
    Organization,
    ProviderAccount,
    Role,
    TokenFamily,
    TokenFamilyQuerySet,
    User,
    Workspace,
)
from finetuning.providers.webhooks import is_usable_secret

# Entered in place of webhook secrets, it takes them away.
NO_SECRETS = "-"


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name", "id")
    date_hierarchy = "date_joined"
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            # Else they would live again with the user, who may have been deactivated for them.
            obj.revoke_tokens(timezone.now())


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ("name", "id", "created_at", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "id")
    date_hierarchy = "created_at"
    readonly_fields = ("id", "created_at", "updated_at", "deleted_at")
    inlines = (MembershipInline,)
    actions = ("restore",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return Organization.with_deleted.all()

    @admin.action(description="Restore deleted organizations")
    def restore(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        restored = queryset.update(deleted_at=None)
        self.message_user(request, f"{restored} organizations restored. Cancelled jobs stay cancelled.")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        super().save_formset(request, form, formset, change)
        for membership, _ in formset.changed_objects:
            membership.change_role(Role(membership.role))


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("user__email", "organization__name")
    list_select_related = ("user", "organization")
    autocomplete_fields = ("user", "organization")

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if change:
            obj.change_role(Role(obj.role))


@admin.register(TokenFamily)
class TokenFamilyAdmin(admin.ModelAdmin[TokenFamily]):
    list_display = ("id", "membership", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("=id", "membership__user__email", "membership__organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("membership__user", "membership__organization")
    ordering = ("-created_at", "-id")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TokenFamily | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TokenFamily | None = None) -> bool:
        return False

    @admin.action(description="Revoke: end these sign-ins to the API", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: TokenFamilyQuerySet) -> None:
        self.message_user(request, f"{queryset.revoke(timezone.now())} sign-ins have ended.")


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin[Invitation]):
    list_display = ("email", "organization", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_filter = (
        "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("email", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)

    # Only the product knows the token, so nothing can be added or changed here.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return False


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin[Workspace]):
    list_display = ("name", "organization", "id", "created_at")
    search_fields = ("name", "id", "organization__name")
    list_select_related = ("organization",)
    autocomplete_fields = ("organization",)


def check_webhook_secrets(text: str) -> None:
    """Raise ValidationError unless signatures can be checked with what was entered."""
    for secret in [] if text == NO_SECRETS else text.split():
        if not is_usable_secret(secret):
            raise ValidationError("A secret starts with whsec_, and base64 of 24 to 64 bytes follows.")


class ProviderAccountForm(forms.ModelForm[ProviderAccount]):
    base_url = forms.URLField(
        required=False,
        assume_scheme="https",
        help_text=ProviderAccount._meta.get_field("base_url").help_text,
    )
    api_key = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted and never shown again. Empty: the key stays as it is.",
    )
    webhook_secrets = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        validators=[check_webhook_secrets],
        help_text=(
            "What the provider signs its webhooks with, whsec_...; while it changes two, a space between. "
            "Stored encrypted and never shown again. Empty: it stays as it is; a single - takes it away."
        ),
    )

    class Meta:
        model = ProviderAccount
        fields: ClassVar[list[str]] = [
            "organization",
            "name",
            "kind",
            "base_url",
            "base_models",
            "is_default",
            "is_enabled",
        ]


@admin.register(ProviderAccount)
class ProviderAccountAdmin(admin.ModelAdmin[ProviderAccount]):
    form = ProviderAccountForm
    list_display = (
        "name",
        "organization",
        "kind",
        "base_url",
        "api_key_last_four",
        "is_default",
        "is_enabled",
        "last_checked_at",
    )
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "id", "organization__name", "base_url")
    list_select_related = ("organization",)
    autocomplete_fields = ("organization",)
    readonly_fields = (
        *("api_key_last_four", "webhook_address", "created_at", "updated_at"),
        *("failures", "paused_until", "last_checked_at", "last_error"),
    )

    @admin.display(description="Webhook address")
    def webhook_address(self, account: ProviderAccount) -> str:
        """Where the provider is to send its webhooks, below the address of these pages."""
        return (
            f"/webhooks/providers/{account.pk}" if account.sealed_webhook_secrets else "Enter a secret first."
        )

    def save_model(self, request: HttpRequest, obj: ProviderAccount, form: Any, change: Any) -> None:
        if form.cleaned_data["api_key"]:
            obj.set_api_key(form.cleaned_data["api_key"])
        if secrets := form.cleaned_data["webhook_secrets"]:
            obj.set_webhook_secrets([] if secrets == NO_SECRETS else secrets.split())
        super().save_model(request, obj, form, change)


HTTPS_ASSUMED: dict[Any, Any] = {models.URLField: {"assume_scheme": "https"}}


@admin.register(BasePrice)
class BasePriceAdmin(admin.ModelAdmin[BasePrice]):
    """The price book. A new price is a new row with its first day: the old one stays, for older jobs."""

    list_display = (
        *("base_model", "provider_kind", "valid_from", "training_usd", "input_usd", "cached_input_usd"),
        *("output_usd", "source_url"),
    )
    list_filter = ("provider_kind", "base_model")
    search_fields = ("base_model", "source_url")
    date_hierarchy = "valid_from"
    ordering = ("provider_kind", "base_model", "-valid_from")
    formfield_overrides = HTTPS_ASSUMED
    save_as = True


@admin.register(BaseRetirement)
class BaseRetirementAdmin(admin.ModelAdmin[BaseRetirement]):
    list_display = ("base_model", "provider_kind", "retires_on", "source_url")
    list_filter = ("provider_kind",)
    search_fields = ("base_model", "source_url")
    date_hierarchy = "retires_on"
    ordering = ("provider_kind", "base_model")
    formfield_overrides = HTTPS_ASSUMED
