import pytest
from django.conf import settings
from django.db import OperationalError, connection

from config.beat import ScheduleIncomplete, Scheduler
from config.celery import app

# Beat closes connections that are old, and with one the transaction of a test.
pytestmark = pytest.mark.django_db(transaction=True)


def test_starts_with_every_task_of_the_settings():
    scheduler = Scheduler(app=app)

    assert settings.CELERY_BEAT_SCHEDULE.keys() <= scheduler.schedule.keys()


def test_does_not_start_when_the_database_goes_away_before_its_tasks_are_written():
    def go_away(execute, sql, *rest):
        if sql.startswith('INSERT INTO "django_celery_beat_periodictask"'):
            raise OperationalError("the connection is lost")
        return execute(sql, *rest)

    with connection.execute_wrapper(go_away), pytest.raises(ScheduleIncomplete, match="Start Beat again"):
        Scheduler(app=app)
