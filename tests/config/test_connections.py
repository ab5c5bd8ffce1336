"""The connection of a worker's process to the database, from task to task."""

import psycopg
import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_prerun, worker_process_init
from django.db import connection

from config.celery import app
from finetuning.database import new_session
from finetuning.tasks import compact_stats

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    worker_process_init.send(sender=None)
    yield DjangoWorkerFixup(app)
    connection.close()


def run_task(worker):
    """What Celery does around a task, which here asks who serves it."""
    worker.on_task_prerun(compact_stats)
    task_prerun.send(sender=compact_stats)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    worker.on_task_postrun(compact_stats)
    return pid


def test_serves_one_task_after_another(worker):
    assert run_task(worker) == run_task(worker)


def test_is_made_anew_when_the_server_has_ended_it(worker):
    ended = run_task(worker)
    with new_session() as session:
        session.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])

    assert run_task(worker) != ended


def test_is_made_anew_when_a_task_has_seen_it_break(worker):
    broken = run_task(worker)
    with pytest.raises(psycopg.OperationalError), connection.connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.errors_occurred = True

    assert run_task(worker) != broken
