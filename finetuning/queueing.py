"""Queueing a task is ringing a doorbell: the row already says what is to be done, and a sweep finds it."""

import logging
from functools import cache
from typing import Any

from celery import Task, current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from kombu.pools import ProducerPool, producers

from finetuning.breaker import Breaker

logger = logging.getLogger(__name__)

# A request that rings does not wait for a broker that is slow; workers have more patience, in settings.
PUBLISH_OPTIONS = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2, "max_retries": 0}
broker_breaker = Breaker(seconds=10)


def queue_on_commit(task: "Task[Any, Any]", **kwargs: Any) -> None:
    """Publish `task` once the transaction is committed. A broker that is away is logged and left alone."""

    def ring() -> None:
        _publish(task, kwargs)

    # Not a partial: Django logs a failure by the function's name, and fails for want of one.
    transaction.on_commit(ring, robust=True)


def _publish(task: "Task[Any, Any]", kwargs: dict[str, Any]) -> None:
    if not broker_breaker.allows():
        return
    try:
        with _producers().acquire(block=True) as producer:
            task.apply_async(kwargs=kwargs, producer=producer, retry=False)
    except (OperationalError, OSError) as error:
        broker_breaker.failed()
        logger.warning("the broker is away, the sweep will find what is due: %s", error)
    else:
        broker_breaker.succeeded()


@cache
def _producers() -> ProducerPool:
    pool: ProducerPool = producers[current_app.connection_for_write(transport_options=PUBLISH_OPTIONS)]
    return pool
