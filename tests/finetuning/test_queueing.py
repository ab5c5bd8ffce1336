import logging

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from finetuning.queueing import queue_on_commit

pytestmark = pytest.mark.django_db(transaction=True)


class Unreachable:
    """A task whose broker is down."""

    name = "jobs.tasks.advance_job"

    def apply_async(self, **_):
        raise OperationalError("Connection refused.")


def test_takes_a_broker_that_is_down_for_no_error_of_the_request(caplog):
    with caplog.at_level(logging.ERROR), transaction.atomic():
        queue_on_commit(Unreachable(), job_id="1")

    assert "Connection refused" in caplog.text
