"""Operators' view of users, organizations and provider accounts, across all tenants."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from finetuning.models import Membership, Organization, ProviderAccount, User, Workspace
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


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ("name", "id", "created_at")
    search_fields = ("name", "id")
    date_hierarchy = "created_at"
    readonly_fields = ("id", "created_at", "updated_at")
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("user__email", "organization__name")
    list_select_related = ("user", "organization")
    autocomplete_fields = ("user", "organization")


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
    )
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "id", "organization__name", "base_url")
    list_select_related = ("organization",)
    autocomplete_fields = ("organization",)
    readonly_fields = (
        *("api_key_last_four", "webhook_address", "created_at", "updated_at"),
        *("failures", "paused_until", "last_error"),
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
