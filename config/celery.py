"""The Celery application. The Beat schedule is in settings."""

import os
import time
from typing import Any

from celery import Celery, Task
from django.db import close_old_connections, connections

# Shorter than what lies between lets a quiet connection live, which it then drops without a word.
CONNECTION_SECONDS = 120

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Else a worker loads every page and every part of the API, to check them as `manage.py check` does.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")


class ObservedTask(Task[Any, Any]):
    """A task whose log lines carry its id and the ids that it was given, and whose time is measured.

    In a worker it begins as a request of Django does: without a connection that is broken or old.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Imported here, because Celery makes this module before Django is set up.
        from finetuning.log_context import log_context
        from finetuning.metrics import task_seconds

        if not (self.request.called_directly or self.request.is_eager):
            _look_after_connections()
        ids = {name: value for name, value in kwargs.items() if name.endswith("_id")}
        started, outcome = time.perf_counter(), "failed"
        with log_context(task=self.name, task_id=self.request.id, **ids):
            try:
                answer = super().__call__(*args, **kwargs)
                outcome = "succeeded"
                return answer
            finally:
                task_seconds.labels(self.name, outcome).observe(time.perf_counter() - started)


def _look_after_connections() -> None:
    # A new connection costs the database as much as a short task. A web process keeps none, for there each
    # request has a thread of its own.
    for connection in connections.all():
        connection.settings_dict.update(CONN_MAX_AGE=CONNECTION_SECONDS, CONN_HEALTH_CHECKS=True)
    close_old_connections()


app = Celery("attune", task_cls=ObservedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Packages of an app, which the line above does not look into.
app.autodiscover_tasks(["finetuning.passwords", "finetuning.webhooks"])
