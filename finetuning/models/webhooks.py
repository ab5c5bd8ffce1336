"""Webhook endpoints and the outbox of what is sent to them."""

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from finetuning import sealing
from finetuning.ids import uuid7
from finetuning.models.organizations import Organization
from finetuning.webhooks.signing import new_secret

# An endpoint with this many failures in a row is shown as failing.
MANY_FAILURES = 10
# After that a delivery is not tried any more; the last retry of the schedule comes a little earlier.
GIVE_UP_AFTER = timedelta(days=3, hours=6)


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def listening_to(self, event_type: str) -> Self:
        return self.filter(is_enabled=True, event_types__contains=[event_type])

    def reachable(self, now: datetime) -> Self:
        """Enabled, and not left alone for a while because it did not answer."""
        return self.filter(Q(paused_until=None) | Q(paused_until__lte=now), is_enabled=True)


class WebhookEndpoint(models.Model):
    """One URL of an organization's own server, and which events it is told."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="webhook_endpoints")
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=50))
    is_enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    sealed_secret = models.BinaryField(editable=False)
    sealed_previous_secret = models.BinaryField(default=bytes, editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True)

    failures = models.IntegerField(default=0, help_text="Failed attempts since the last accepted delivery.")
    failing_since = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="It did not answer: wait till then.")

    objects = WebhookEndpointQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = ("url", "description", "event_types", "is_enabled")

    class Meta:
        db_table = "webhook_endpoints"
        indexes = [
            models.Index(fields=["organization", "-created_at", "-id"], name="webhook_endpoints_newest")
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def secret_place(self) -> str:
        return f"{self.organization_id}|webhook_endpoints.secret|{self.pk}"

    @property
    def secret(self) -> str:
        """The signing secret in clear. Shown when it is made, never again."""
        return sealing.unseal(bytes(self.sealed_secret), place=self.secret_place)

    @property
    def is_failing(self) -> bool:
        return self.failures >= MANY_FAILURES

    def signing_secrets(self, now: datetime) -> list[str]:
        """The secret, and the one before it while receivers may still use that."""
        if self.previous_secret_until is None or self.previous_secret_until <= now:
            return [self.secret]
        return [self.secret, sealing.unseal(bytes(self.sealed_previous_secret), place=self.secret_place)]

    def set_new_secret(self) -> None:
        """Seal a new secret into the columns; the caller saves."""
        self.sealed_secret = sealing.seal(new_secret(), place=self.secret_place)

    def rotate_secret(self, *, now: datetime, overlap: timedelta) -> None:
        """Make a new secret; the present one keeps signing beside it for `overlap`."""
        self.sealed_previous_secret = self.sealed_secret
        self.previous_secret_until = now + overlap
        self.set_new_secret()
        self.save(
            update_fields=["sealed_secret", "sealed_previous_secret", "previous_secret_until", "updated_at"]
        )

    def change(self, **columns: Any) -> None:
        """Set what belongs to the user, and end a pause: the change may have mended what was wrong."""
        WebhookEndpoint.objects.filter(pk=self.pk).update(
            updated_at=timezone.now(), paused_until=None, **columns
        )
        self.refresh_from_db()

    def mark_answering(self) -> None:
        WebhookEndpoint.objects.filter(pk=self.pk, failures__gt=0).update(
            failures=0, failing_since=None, paused_until=None
        )

    def mark_failing(self, *, now: datetime, paused_until: datetime | None) -> None:
        WebhookEndpoint.objects.filter(pk=self.pk).update(
            failures=F("failures") + 1,
            failing_since=Coalesce(F("failing_since"), now),
            paused_until=paused_until,
        )

    def queue(self, event_type: str, data: dict[str, Any]) -> "WebhookDelivery":
        """Write down that `data` is to be sent. The body is fixed here: every attempt sends the same."""
        now = timezone.now()
        event = {"type": event_type, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": data}
        return self.deliveries.create(
            event_type=event_type,
            body=json.dumps(event, ensure_ascii=False),
            next_attempt_at=now,
            give_up_at=now + GIVE_UP_AFTER,
        )


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-id")

    def due(self, now: datetime) -> Self:
        """To be sent now: also those whose sender has died, because its lease is over."""
        reachable = WebhookEndpoint.objects.reachable(now)
        return self.filter(next_attempt_at__lte=now, endpoint__in=reachable).order_by("next_attempt_at", "id")

    def give_up(self, now: datetime) -> int:
        """End what is too old, also where a pause or a switch kept it from being tried."""
        old = self.filter(next_attempt_at__lte=now, give_up_at__lte=now)
        return old.update(next_attempt_at=None, error="It could not be delivered for three days.")


class WebhookDelivery(models.Model):
    """One event for one endpoint. Its id is the `webhook-id`, the same in every attempt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries")
    event_type = models.CharField(max_length=50)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    # Outbox, back-off and lease in one: due when it is in the past, nothing to do when it is null.
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    give_up_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    retries = models.IntegerField(default=0, help_text="Attempts since it was queued, or asked for again.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    answer_status = models.IntegerField(null=True, blank=True)
    answer_text = models.TextField(blank=True)
    error = models.TextField(blank=True)
    duration_ms = models.IntegerField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        db_table = "webhook_deliveries"
        indexes = [
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_deliveries_newest"),
            models.Index(
                fields=["next_attempt_at", "id"],
                name="webhook_deliveries_due",
                condition=Q(next_attempt_at__isnull=False),
            ),
            models.Index(fields=["created_at"], name="webhook_deliveries_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.endpoint_id}"

    @property
    def status(self) -> str:
        """`pending`, `delivered` or `failed`, which means given up."""
        if self.next_attempt_at is not None:
            return "pending"
        return "delivered" if self.delivered_at else "failed"

    def claim(self, *, now: datetime, until: datetime) -> bool:
        """Take the due attempt for the time of a lease. False: it is not due, or somebody has it."""
        due = WebhookDelivery.objects.due(now).filter(pk=self.pk)
        claimed = due.order_by().update(
            next_attempt_at=until, attempts=F("attempts") + 1, retries=F("retries") + 1
        )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    def record(self, **columns: Any) -> bool:
        """Save how the attempt went. False: the lease went to another sender, whose word counts."""
        held = WebhookDelivery.objects.filter(pk=self.pk, next_attempt_at=self.next_attempt_at)
        recorded = held.update(**columns)
        self.refresh_from_db()
        return bool(recorded)

    def ask_again(self, *, now: datetime) -> None:
        """Make it due, whatever became of it before, with all its retries."""
        WebhookDelivery.objects.filter(pk=self.pk).update(
            next_attempt_at=now, give_up_at=now + GIVE_UP_AFTER, retries=0
        )
        self.refresh_from_db()
