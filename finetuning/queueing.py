"""Queueing a task is ringing a doorbell: the row already says what is to be done, and a sweep finds it."""

from functools import partial
from typing import Any

from celery import Task
from django.db import transaction


def queue_on_commit(task: "Task[Any, Any]", **kwargs: Any) -> None:
    """Publish `task` once the transaction is committed. A broker that is down is logged and ignored."""
    transaction.on_commit(partial(task.apply_async, kwargs=kwargs), robust=True)
