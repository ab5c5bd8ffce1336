"""Access to the services that train."""

from datetime import datetime
from typing import Self

from django.db import models

from finetuning import sealing
from finetuning.ids import uuid7
from finetuning.models.organizations import Organization


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def enabled(self) -> Self:
        """Accounts that take new jobs, the default one first."""
        return self.filter(is_enabled=True).order_by("-is_default", "created_at", "id")


class ProviderAccount(models.Model):
    """An organization's access to one OpenAI-compatible provider."""

    class Kind(models.TextChoices):
        SANDBOX = "sandbox", "Sandbox (trains nothing)"
        OPENAI = "openai", "OpenAI"
        COMPATIBLE = "compatible", "OpenAI-compatible"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="provider_accounts")
    name = models.SlugField(
        max_length=50, help_text="What the API calls `provider`, for example `openai` or `sandbox`."
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    base_url = models.URLField(
        blank=True, help_text="For example https://api.example.com/v1. Empty: the vendor's own address."
    )
    sealed_api_key = models.BinaryField(default=bytes, blank=True, editable=False)
    api_key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    base_models = models.JSONField(
        default=list,
        blank=True,
        help_text='Base models that it offers besides the known ones, as a list: ["Qwen/Qwen3-32B"].',
    )
    is_default = models.BooleanField(default=False, help_text="Used when a job names no provider.")
    is_enabled = models.BooleanField(default=True, help_text="Off: takes no new jobs.")
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False, help_text="Of the last check; empty: all well.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        db_table = "provider_accounts"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="provider_accounts_name_unique"),
            models.UniqueConstraint(
                fields=["organization"],
                condition=models.Q(is_default=True),
                name="provider_accounts_one_default",
            ),
            models.UniqueConstraint(
                fields=["organization", "id"], name="provider_accounts_organization_and_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @property
    def health(self) -> str:
        """`unchecked`, `healthy` or `failing`, by the last check."""
        if self.last_checked_at is None:
            return "unchecked"
        return "failing" if self.last_error else "healthy"

    @property
    def is_sandbox(self) -> bool:
        return self.kind == self.Kind.SANDBOX

    @property
    def _place(self) -> str:
        return f"{self.organization_id}|provider_accounts.api_key|{self.pk}"

    @property
    def api_key(self) -> str:
        """The key in clear; empty when none was set. Never shown or logged."""
        return sealing.unseal(bytes(self.sealed_api_key), place=self._place) if self.sealed_api_key else ""

    def set_api_key(self, api_key: str) -> None:
        """Seal `api_key` into the columns; the caller saves."""
        self.sealed_api_key = sealing.seal(api_key, place=self._place)
        self.api_key_last_four = api_key[-4:]

    def record_check(self, *, now: datetime, error: str) -> None:
        """Keep how the last check went; `error` is empty when the provider answered and took the key."""
        ProviderAccount.objects.filter(pk=self.pk).update(last_checked_at=now, last_error=error)
        self.last_checked_at, self.last_error = now, error
