"""Tasks around the services of the same names."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from finetuning.log_context import note
from finetuning.models import WebhookDelivery
from finetuning.webhooks import services

# More than this are left for the next sweep, so that a slow worker does not drown in messages.
SWEEP_SIZE = 500
KEPT_FOR = timedelta(days=30)


@shared_task
def deliver_webhook(*, delivery_id: str, **_: Any) -> None:
    # The endpoint, and with it the delivery, may have been deleted since.
    delivery = WebhookDelivery.objects.select_related("endpoint").filter(pk=delivery_id).first()
    if delivery is not None:
        note(organization_id=delivery.endpoint.organization_id)
        services.deliver_webhook(delivery)


@shared_task
def deliver_due_webhooks(**_: Any) -> None:
    """Ring for every delivery that is due, and end those that are too old. Needs nothing but the rows."""
    now = timezone.now()
    WebhookDelivery.objects.give_up(now)
    due = WebhookDelivery.objects.due(now).values_list("pk", flat=True)[:SWEEP_SIZE]
    for delivery_id in due:
        deliver_webhook.apply_async(
            kwargs={"delivery_id": str(delivery_id)}, expires=settings.POLL_INTERVAL_SECONDS
        )


@shared_task
def delete_old_webhook_deliveries(**_: Any) -> None:
    """The log reaches back 30 days."""
    WebhookDelivery.objects.filter(created_at__lt=timezone.now() - KEPT_FOR, next_attempt_at=None).delete()
