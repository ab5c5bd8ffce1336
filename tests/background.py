"""What workers and Beat do, in a thread of the test's own process."""

import threading
from contextlib import contextmanager

from django.db import connection
from django.utils import timezone

from datasets import reading
from datasets.models import Dataset
from finetuning.models import WebhookDelivery
from finetuning.webhooks.services import deliver_webhook
from jobs import services
from jobs.models import Job


@contextmanager
def working(clock, *, seconds):
    """Does all that is due, ten times a second, and each time lets so many seconds pass at the sandbox."""
    stopped = threading.Event()
    thread = threading.Thread(target=_work, args=(clock, seconds, stopped))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _work(clock, seconds, stopped):
    while not stopped.wait(0.1):
        clock.advance(seconds)
        for dataset in Dataset.with_deleted.due(timezone.now()):
            reading.validate_dataset(dataset)
        for job in Job.objects.due(timezone.now()):
            services.advance_job(job)
        for delivery in WebhookDelivery.objects.due(timezone.now()):
            deliver_webhook(delivery)
    connection.close()
