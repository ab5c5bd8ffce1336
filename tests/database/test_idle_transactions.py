"""Whoever stops in the middle of a transaction keeps its locks only for so long."""

import psycopg
import pytest
from django.db import connection

from finetuning.models import Organization


@pytest.mark.django_db(transaction=True)
def test_ends_a_transaction_that_does_nothing(organization):
    """The setting is the product's, the time is shorter."""
    paused = psycopg.connect(**connection.get_connection_params())
    (seconds,) = paused.execute(
        "SELECT extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval)"
    ).fetchone()
    assert seconds == 60

    paused.execute("SET idle_in_transaction_session_timeout = '200ms'")
    paused.execute("SELECT FROM organizations WHERE id = %s FOR UPDATE", [organization.pk])

    assert Organization.objects.filter(pk=organization.pk).update(name="Free again") == 1
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        paused.execute("SELECT 1")
