"""The database itself keeps a job from going back, whoever writes to it."""

from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction

from jobs.states import TERMINAL, TRANSITIONS, Status
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db
MOVE = """
    UPDATE fine_tuning_jobs SET status = %(to)s,
        next_check_at = CASE WHEN %(to)s = ANY(%(terminal)s) THEN NULL ELSE now() END,
        progress_percentage = CASE WHEN %(to)s = 'succeeded' THEN 100 ELSE least(progress_percentage, 99) END
    WHERE id = %(id)s
"""


def refused(sql, values):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
    except IntegrityError as error:
        return error.__cause__.diag.constraint_name
    return None


@pytest.mark.parametrize(("origin", "target"), list(product(Status, Status)))
def test_allows_exactly_the_moves_of_the_table(origin, target):
    job = JobFactory(status=origin)

    constraint = refused(MOVE, {"to": target.value, "terminal": [*map(str, TERMINAL)], "id": job.pk})

    is_allowed = target == origin or target in TRANSITIONS[origin]
    assert constraint == (None if is_allowed else "jobs_go_forward")


@pytest.mark.parametrize(("progress", "constraint"), [(39.9, "jobs_go_forward"), (40, None), (40.1, None)])
def test_refuses_progress_that_falls(progress, constraint):
    job = JobFactory(status=Status.RUNNING, progress_percentage=40)

    found = refused("UPDATE fine_tuning_jobs SET progress_percentage = %s WHERE id = %s", [progress, job.pk])

    assert found == constraint
