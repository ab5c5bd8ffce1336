"""The Celery application. The Beat schedule is in settings."""

import os
import time
from typing import Any

from celery import Celery, Task
from celery.signals import task_prerun, worker_process_init
from django.db import close_old_connections, connections

CONNECTION_SECONDS = 600

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery would have a worker load every page and every part of the API, to check them as the web process does.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")


class ObservedTask(Task[Any, Any]):
    """A task whose log lines carry its id and the ids that it was given, and whose time is measured."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Imported here, because Celery makes this module before Django is set up.
        from finetuning.log_context import log_context
        from finetuning.metrics import task_seconds

        ids = {name: value for name, value in kwargs.items() if name.endswith("_id")}
        started, outcome = time.perf_counter(), "failed"
        with log_context(task=self.name, task_id=self.request.id, **ids):
            try:
                answer = super().__call__(*args, **kwargs)
                outcome = "succeeded"
                return answer
            finally:
                task_seconds.labels(self.name, outcome).observe(time.perf_counter() - started)


app = Celery("attune", task_cls=ObservedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Packages of an app, which the line above does not look into.
app.autodiscover_tasks(["finetuning.passwords", "finetuning.webhooks"])


@worker_process_init.connect
def keep_connections(**_: Any) -> None:
    """Let a worker's process use its connection for the next task, too.

    A new one costs the database as much as a short task. A web process keeps none, for there each request
    has a thread of its own.
    """
    for connection in connections.all():
        connection.settings_dict["CONN_MAX_AGE"] = CONNECTION_SECONDS


@task_prerun.connect
def close_unusable_connections(sender: Task[Any, Any], **_: Any) -> None:
    """Begin a task as Django begins a request: without a connection that is broken or old."""
    if not sender.request.is_eager:
        close_old_connections()
