import pytest
from django.db import OperationalError, connection


def test_lives_without_asking_the_database(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_is_ready_when_the_database_answers(client):
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_is_not_ready_when_the_database_fails(client):
    def fail(*_):
        raise OperationalError("the connection is lost")

    with connection.execute_wrapper(fail):
        answer = client.get("/readyz")

    assert answer.status_code == 503
