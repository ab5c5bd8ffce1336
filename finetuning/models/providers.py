"""Access to the services that train."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Least

from finetuning import sealing
from finetuning.capabilities import CAPABILITIES, Capabilities
from finetuning.ids import uuid7
from finetuning.models.organizations import Organization

# After so many failed calls in a row an account is left alone for a while.
FAILURES_BEFORE_PAUSE = 5
# What an account may use at once after a quiet time.
BURST = timedelta(minutes=1)


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def enabled(self) -> Self:
        """Accounts that take new jobs, the default one first."""
        return self.filter(is_enabled=True).order_by("-is_default", "created_at", "id")

    def expecting_webhooks(self) -> Self:
        """Accounts that know what their provider signs with."""
        return self.exclude(sealed_webhook_secrets=b"")


class ProviderAccount(models.Model):
    """An organization's access to one OpenAI-compatible provider."""

    class Kind(models.TextChoices):
        SANDBOX = "sandbox", "Sandbox (trains nothing)"
        OPENAI = "openai", "OpenAI"
        AZURE = "azure", "Azure AI Foundry"
        NEBIUS = "nebius", "Nebius Token Factory"
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
    sealed_webhook_secrets = models.BinaryField(default=bytes, blank=True, editable=False)
    base_models = models.JSONField(
        default=list,
        blank=True,
        help_text='Base models that it offers besides the known ones, as a list: ["Qwen/Qwen3-32B"].',
    )
    listed_models = models.JSONField(
        default=dict,
        editable=False,
        help_text="What the last check found offered: model -> announced last day, or null.",
    )
    is_default = models.BooleanField(default=False, help_text="Used when a job names no provider.")
    is_enabled = models.BooleanField(default=True, help_text="Off: takes no new jobs.")
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(
        blank=True, editable=False, help_text="Of the last call or check; empty: all well."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # What all workers together have asked of it, and how it answers.
    calls_until = models.DateTimeField(null=True, editable=False)
    failures = models.IntegerField(default=0, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)

    objects = ProviderAccountQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = (
        "name",
        "kind",
        "base_url",
        "base_models",
        "is_default",
        "is_enabled",
        "api_key_last_four",
    )

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
    def capabilities(self) -> Capabilities:
        """What providers of its kind can do."""
        return CAPABILITIES[self.kind]

    @property
    def needs_address(self) -> bool:
        """Whether only the customer knows where it is."""
        return self.kind in {self.Kind.AZURE, self.Kind.COMPATIBLE}

    @property
    def is_sandbox(self) -> bool:
        return self.kind == self.Kind.SANDBOX

    @property
    def api_key_place(self) -> str:
        return f"{self.organization_id}|provider_accounts.api_key|{self.pk}"

    @property
    def api_key(self) -> str:
        """The key in clear; empty when none was set. Never shown or logged."""
        return (
            sealing.unseal(bytes(self.sealed_api_key), place=self.api_key_place)
            if self.sealed_api_key
            else ""
        )

    def set_api_key(self, api_key: str) -> None:
        """Seal `api_key`, without the newline at the end of a file, into the columns; the caller saves."""
        api_key = api_key.strip()
        self.sealed_api_key = sealing.seal(api_key, place=self.api_key_place)
        self.api_key_last_four = api_key[-4:]

    def record_check(self, *, now: datetime, models: Mapping[str, date | None]) -> None:
        """Keep what a check that went well has found: the models and their last days. It ends a pause."""
        listed = {name: day and day.isoformat() for name, day in models.items()}
        columns: dict[str, Any] = {"last_checked_at": now, "last_error": "", "listed_models": listed}
        columns |= {"failures": 0, "paused_until": None}
        ProviderAccount.objects.filter(pk=self.pk).update(**columns)
        self.refresh_from_db(fields=list(columns))

    def record_failed_check(self, *, now: datetime, error: str) -> None:
        """Keep why the last check failed."""
        columns: dict[str, Any] = {"last_checked_at": now, "last_error": error}
        ProviderAccount.objects.filter(pk=self.pk).update(**columns)
        self.refresh_from_db(fields=list(columns))

    def last_day_of(self, base_model: str, *, announced: date | None) -> date | None:
        """When `base_model` retires here; `announced` is what is known of all providers of this kind.

        The account's own list is nearer to the truth: a day that it names counts, and a model that it still
        lists after its announced end goes on.
        """
        if own := self.listed_models.get(base_model):
            return date.fromisoformat(own)
        is_over = announced and self.last_checked_at and announced <= self.last_checked_at.date()
        return None if is_over and base_model in self.listed_models else announced

    @property
    def webhook_place(self) -> str:
        return f"{self.organization_id}|provider_accounts.webhook_secrets|{self.pk}"

    @property
    def webhook_secrets(self) -> list[str]:
        """What the provider signs its webhooks with; two while it changes from one to the other."""
        sealed = bytes(self.sealed_webhook_secrets)
        return sealing.unseal(sealed, place=self.webhook_place).split() if sealed else []

    def set_webhook_secrets(self, secrets: Sequence[str]) -> None:
        """Seal `secrets` into the column, none into an empty one; the caller saves."""
        joined = " ".join(secrets)
        self.sealed_webhook_secrets = sealing.seal(joined, place=self.webhook_place) if joined else b""

    def admit(self, *, calls: int, now: datetime) -> bool:
        """Whether so many calls may be made now, counted for all workers in one statement. See `resumes_at`.

        A leaky bucket (GCRA, ITU-T I.371): `calls_until` is when the calls so far would end at a steady
        PROVIDER_CALLS_PER_MINUTE. When a pause is over, one caller is let through to see, and all others go
        on waiting.
        """
        cost = timedelta(minutes=calls / settings.PROVIDER_CALLS_PER_MINUTE)
        below_limit = Q(calls_until=None) | Q(calls_until__lte=now + BURST)
        admitted = ProviderAccount.objects.filter(_is_awake(now), below_limit, pk=self.pk).update(
            calls_until=Greatest(F("calls_until"), Value(now)) + cost,
            paused_until=Case(When(failures__gte=FAILURES_BEFORE_PAUSE, then=Value(now + _pause(0)))),
        )
        if not admitted:
            self.refresh_from_db(fields=["calls_until", "failures", "paused_until", "last_error"])
        return bool(admitted)

    def resumes_at(self, now: datetime) -> datetime:
        """When it takes calls again, after it admitted none."""
        below_limit = self.calls_until - BURST if self.calls_until else now
        return max(now, below_limit, self.paused_until or now)

    @property
    def reason(self) -> str:
        """Why nothing is asked of it now, in words for those who wait."""
        until = f" Trying again at {self.paused_until:%H:%M:%S} UTC." if self.paused_until else ""
        return f"The provider account {self.name} does not answer as it should: {self.last_error}{until}"

    def mark_answering(self) -> None:
        """End the row of failures, those of other workers too."""
        failing = ProviderAccount.objects.filter(pk=self.pk, failures__gt=0)
        failing.update(failures=0, paused_until=None, last_error="")

    def mark_failing(self, message: str, *, now: datetime, retry_after: float | None) -> None:
        """Count a call without a usable answer; pause after several, or as long as the provider asks for.

        Calls that were under way when the pause began bring it about together, and make it no longer.
        """
        account = ProviderAccount.objects.filter(pk=self.pk)
        was_under_way = self.failures < FAILURES_BEFORE_PAUSE
        failed_once_more: Combinable = F("failures") + 1
        if was_under_way:
            failed_once_more = Greatest(F("failures"), Least(failed_once_more, FAILURES_BEFORE_PAUSE))
        account.update(failures=failed_once_more, last_error=message)
        self.refresh_from_db(fields=["failures"])
        if wait := self._wait(retry_after):
            pausing = account.filter(_is_awake(now)) if was_under_way and not retry_after else account
            pausing.update(paused_until=Greatest(F("paused_until"), Value(now + wait)))
        self.refresh_from_db(fields=["paused_until", "last_error"])

    def _wait(self, retry_after: float | None) -> timedelta:
        doublings = self.failures - FAILURES_BEFORE_PAUSE
        pause = timedelta(0) if doublings < 0 else _pause(doublings)
        longest = timedelta(seconds=settings.MAX_BACK_OFF_SECONDS)
        return min(longest, max(pause, timedelta(seconds=retry_after or 0)))


def _is_awake(now: datetime) -> Q:
    return Q(paused_until=None) | Q(paused_until__lte=now)


def _pause(doublings: int) -> timedelta:
    """Half a poll interval, doubled so often."""
    return timedelta(seconds=settings.POLL_INTERVAL_SECONDS / 2 * 2 ** min(doublings, 10))


class ProviderNotice(models.Model):
    """A webhook of a provider that was taken, so that its repetitions have no effect."""

    account = models.ForeignKey(ProviderAccount, models.CASCADE, related_name="notices")
    webhook_id = models.CharField(max_length=255)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "provider_notices"
        indexes = [models.Index(fields=["received_at"], name="provider_notices_by_age")]
        constraints = [
            models.UniqueConstraint(fields=["account", "webhook_id"], name="provider_notices_once"),
        ]

    def __str__(self) -> str:
        return self.webhook_id
