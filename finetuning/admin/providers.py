"""Operators' view of provider accounts."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from finetuning import audit
from finetuning.models import ProviderAccount
from finetuning.operators import OperatorAdmin, linked
from finetuning.provider_accounts import services
from finetuning.providers.webhooks import is_usable_secret

# Entered in place of webhook secrets, it takes them away.
NO_SECRETS = "-"


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
class ProviderAccountAdmin(OperatorAdmin):
    form = ProviderAccountForm
    list_display = (
        "name",
        linked("organization"),
        "kind",
        "base_url",
        "api_key_last_four",
        "is_default",
        "is_enabled",
        "last_checked_at",
    )
    list_filter = ("kind", "is_enabled", "last_checked_at", "paused_until")
    date_hierarchy = "created_at"
    actions = ("check_now", "export_csv")
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
        # What a page of the site shows as changed, too; never the secrets.
        for name in ("api_key", "webhook_secrets"):
            if change and form.cleaned_data[name]:
                audit.record(f"provider_account.{name}_replaced", obj)

    @admin.action(description="Test the accounts now", permissions=["act"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[ProviderAccount]) -> None:
        for account in queryset:
            services.check_account(account)
            self.message_user(request, f"{account}: {account.last_error or 'answers and takes the key.'}")
