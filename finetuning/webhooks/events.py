"""What an organization can be told, and the outbox in which it is written down."""

from typing import TYPE_CHECKING, Any

from finetuning.queueing import queue_on_commit
from finetuning.webhooks import tasks

if TYPE_CHECKING:
    from finetuning.models import Organization

EVENT_TYPES = {
    "dataset.validated": "A dataset was checked: it is valid, or its errors are known",
    "job.succeeded": "A job ended well and its model can be used",
    "job.failed": "A job failed",
    "job.cancelled": "A job was cancelled",
    "model.deployed": "A model was deployed",
    "spending.warned": "Four fifths of the month's spending cap are used up",
}


def announce(organization: "Organization", event_type: str, data: dict[str, Any]) -> None:
    """Write one delivery for each endpoint that asked for the event, in the caller's transaction.

    `data` is what the receiver gets, in the API's names. Nothing is sent before the commit, and nothing is
    lost after it: a sweep finds what no worker has sent.
    """
    for endpoint in organization.webhook_endpoints.listening_to(event_type):
        delivery = endpoint.queue(event_type, data)
        queue_on_commit(tasks.deliver_webhook, delivery_id=str(delivery.pk))
