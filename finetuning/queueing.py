"""Queueing a task is ringing a doorbell: the row already says what is to be done, and a sweep finds it."""

from typing import Any

from celery import Task
from django.db import transaction


def queue_on_commit(task: "Task[Any, Any]", **kwargs: Any) -> None:
    """Publish `task` once the transaction is committed. A broker that is down is logged and ignored."""

    def ring() -> None:
        task.apply_async(kwargs=kwargs)

    # Not a partial: Django logs the failure by the function's name, and fails for want of one.
    transaction.on_commit(ring, robust=True)
