"""What can be done with webhooks: managing endpoints, sending, sending again."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from finetuning import audit
from finetuning.addresses import AddressRefused, find_destination
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, User, WebhookDelivery, WebhookEndpoint
from finetuning.queueing import queue_on_commit
from finetuning.webhooks import tasks
from finetuning.webhooks.sending import Answer, post
from finetuning.webhooks.signing import signed_headers

TEST_EVENT = "webhook.test"
MAX_ENDPOINTS = 20
ROTATION_OVERLAP = timedelta(hours=24)
# The schedule that the Standard Webhooks specification recommends: about three days in all.
RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
# A server that does not answer keeps no worker waiting for each of its deliveries in turn.
PAUSE = timedelta(seconds=30)
MAX_PAUSE = timedelta(minutes=30)
# Beside the call itself the lease covers a name server that takes its time.
LEASE_SLACK = timedelta(seconds=60)


class WebhookAddressRefused(Invalid):
    code = "webhook_address_refused"


class TooManyWebhookEndpoints(Conflict):
    code = "too_many_webhook_endpoints"


class WebhookEndpointDisabled(Conflict):
    code = "webhook_endpoint_disabled"


def create_endpoint(organization: Organization, *, by: User, **columns: Any) -> WebhookEndpoint:
    """A new endpoint, whose `secret` is to be shown now.

    `columns`: `url`, `event_types`, `description`, `is_enabled`. Raises WebhookAddressRefused or
    TooManyWebhookEndpoints.
    """
    return add_endpoint(organization, by=by, **checked_columns(**columns))


@transaction.atomic
def add_endpoint(organization: Organization, *, by: User, **columns: Any) -> WebhookEndpoint:
    """The same of `checked_columns`. Raises TooManyWebhookEndpoints."""
    organization.lock()
    if organization.webhook_endpoints.count() >= MAX_ENDPOINTS:
        raise TooManyWebhookEndpoints(f"There are {MAX_ENDPOINTS} endpoints already. Delete one first.")
    endpoint = WebhookEndpoint(organization=organization, created_by=by, **columns)
    endpoint.set_new_secret()
    endpoint.save()
    audit.record("webhook_endpoint.created", endpoint, before={})
    return endpoint


def update_endpoint(endpoint: WebhookEndpoint, **columns: Any) -> WebhookEndpoint:
    """Change `url`, `description`, `event_types` or `is_enabled`. Raises WebhookAddressRefused."""
    return change_endpoint(endpoint, **checked_columns(**columns))


def change_endpoint(endpoint: WebhookEndpoint, **columns: Any) -> WebhookEndpoint:
    """The same with `checked_columns`."""
    with audit.changing(endpoint, "webhook_endpoint.changed"):
        endpoint.change(**columns)
    return endpoint


@transaction.atomic
def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Its log goes with it, and what was not delivered yet is dropped."""
    audit.record("webhook_endpoint.deleted", endpoint)
    endpoint.delete()


def checked_columns(**columns: Any) -> dict[str, Any]:
    """The columns with event types in order and a URL whose host may be called. Raises WebhookAddressRefused.

    It asks the name server, so it stands before the transaction.
    """
    if "url" in columns:
        _check_url(columns["url"])
    if "event_types" in columns:
        columns["event_types"] = sorted(set(columns["event_types"]))
    return columns


def _check_url(url: str) -> None:
    try:
        find_destination(url, allowed=settings.WEBHOOK_ALLOWED_NETWORKS)
    except AddressRefused as refusal:
        raise WebhookAddressRefused(str(refusal), pointer="/url") from refusal


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Make a new `secret`; for a day deliveries carry a signature of the old one as well."""
    endpoint.rotate_secret(now=timezone.now(), overlap=ROTATION_OVERLAP)
    audit.record("webhook_endpoint.secret_rotated", endpoint)
    return endpoint


def send_test_event(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send the endpoint an event that means nothing. Raises WebhookEndpointDisabled."""
    _check_enabled(endpoint)
    with transaction.atomic():
        endpoint.change()
        delivery = endpoint.queue(TEST_EVENT, {"endpointId": str(endpoint.pk)})
        queue_on_commit(tasks.deliver_webhook, delivery_id=str(delivery.pk))
    return delivery


def resend_delivery(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send it again, under its old id and with all its retries. Raises WebhookEndpointDisabled."""
    _check_enabled(delivery.endpoint)
    with transaction.atomic():
        delivery.endpoint.change()
        delivery.ask_again(now=timezone.now())
        queue_on_commit(tasks.deliver_webhook, delivery_id=str(delivery.pk))
    return delivery


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_enabled:
        raise WebhookEndpointDisabled("The endpoint is switched off. Switch it on first.")


def deliver_webhook(delivery: WebhookDelivery) -> None:
    """Make one attempt, if it is due and nobody else is at it.

    A sender that dies in the middle leaves the row to the sweep, so a receiver may get a delivery twice, with
    the same `webhook-id`.
    """
    now = timezone.now()
    lease = timedelta(seconds=settings.WEBHOOK_TIMEOUT_SECONDS) + LEASE_SLACK
    if not delivery.claim(now=now, until=now + lease):
        return
    if delivery.retries > len(RETRY_AFTER) + 1:
        delivery.record(next_attempt_at=None, error="The sender died again and again.")
        return
    _record(delivery, _send(delivery))


def _send(delivery: WebhookDelivery) -> Answer:
    endpoint, now = delivery.endpoint, timezone.now()
    try:
        destination = find_destination(endpoint.url, allowed=settings.WEBHOOK_ALLOWED_NETWORKS)
    except AddressRefused as refusal:
        return Answer(error=str(refusal), duration_ms=0)
    signed = signed_headers(
        delivery.body,
        delivery_id=str(delivery.pk),
        signing_secrets=endpoint.signing_secrets(now),
        now=now,
    )
    return post(
        endpoint.url,
        to=destination,
        body=delivery.body.encode(),
        headers={"Content-Type": "application/json", "User-Agent": "Attune-Webhooks/1"} | signed,
        timeout_seconds=settings.WEBHOOK_TIMEOUT_SECONDS,
    )


@transaction.atomic
def _record(delivery: WebhookDelivery, answer: Answer) -> None:
    now = timezone.now()
    is_last = delivery.retries > len(RETRY_AFTER)
    next_attempt_at = None if is_last else now + RETRY_AFTER[delivery.retries - 1]
    recorded = delivery.record(
        next_attempt_at=None if answer.is_accepted else next_attempt_at,
        delivered_at=now if answer.is_accepted else delivery.delivered_at,
        last_attempt_at=now,
        answer_status=answer.status,
        answer_text=answer.text,
        error=answer.error,
        duration_ms=answer.duration_ms,
    )
    if recorded and answer.is_accepted:
        delivery.endpoint.mark_answering()
    elif recorded:
        pause = min(MAX_PAUSE, PAUSE * 2 ** min(delivery.endpoint.failures, 10))
        delivery.endpoint.mark_failing(now=now, paused_until=None if answer.status else now + pause)
