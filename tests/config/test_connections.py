"""The connection of a worker's process to the database, from task to task."""

import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection, connections

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
    for each in connections.all():
        monkeypatch.setitem(each.settings_dict, "CONN_MAX_AGE", 0)
        monkeypatch.setitem(each.settings_dict, "CONN_HEALTH_CHECKS", False)
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


def test_is_made_anew_when_it_is_old(run_task):
    old = run_task()
    connection.close_at = 0

    assert run_task() != old


def test_is_left_alone_by_a_task_that_is_called_within_a_request(run_task):
    compact_stats.push_request(called_directly=True, is_eager=False)
    compact_stats()
    compact_stats.pop_request()

    assert connection.settings_dict["CONN_MAX_AGE"] == 0
