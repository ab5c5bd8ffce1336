import pytest

from config.celery import app
from config.settings import CELERY_TASK_QUEUES


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("jobs.tasks.advance_job", "fast"),
        ("finetuning.tasks.compact_stats", "fast"),
        ("datasets.tasks.read_range", "ingest"),
        ("finetuning.webhooks.tasks.deliver_due_webhooks", "gateway"),
        ("models_registry.tasks.forget_usage_batches", "gateway"),
    ],
)
def test_a_task_waits_in_its_own_queue_only(task, queue):
    found = app.amqp.router.route({}, task)["queue"]

    reached = [one.name for one in CELERY_TASK_QUEUES if one.exchange == found.exchange]
    assert (found.name, reached) == (queue, [queue])
