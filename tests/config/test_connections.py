"""The connection of a worker's process to the database, from task to task."""

import psycopg
import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from config.celery import app
from finetuning.database import new_session
from finetuning.tasks import compact_stats

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run_task(monkeypatch):
    """Does what a worker does for a task, and returns the number of the server's process that served it."""

    def run_task():
        fixup.on_task_prerun(compact_stats)
        compact_stats()
        fixup.on_task_postrun(compact_stats)
        return connection.connection.info.backend_pid

    fixup = DjangoWorkerFixup(app)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", False)
    connection.close()
    compact_stats.push_request(called_directly=False, is_eager=False)
    yield run_task
    compact_stats.pop_request()
    connection.close()


def test_serves_one_task_after_another(run_task):
    assert run_task() == run_task()


def test_is_made_anew_when_the_server_has_ended_it(run_task):
    ended = run_task()
    with new_session() as session:
        session.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])

    assert run_task() != ended


def test_is_made_anew_when_a_task_has_seen_it_break(run_task):
    broken = run_task()
    with pytest.raises(psycopg.OperationalError), connection.connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.errors_occurred = True

    assert run_task() != broken


def test_is_made_anew_when_it_is_old(run_task):
    old = run_task()
    connection.close_at = 0

    assert run_task() != old
