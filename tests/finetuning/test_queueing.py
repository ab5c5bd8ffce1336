import pytest
from celery import current_app

from finetuning import queueing
from finetuning.breaker import Breaker
from jobs import tasks


@pytest.fixture
def broker(monkeypatch):
    """Sets where the broker is."""
    monkeypatch.setattr(queueing, "broker_breaker", Breaker(seconds=60))
    queueing._producers.cache_clear()
    yield lambda url: monkeypatch.setattr(current_app.conf, "broker_write_url", url)
    queueing._producers.cache_clear()


@pytest.mark.django_db
def test_asks_a_silent_broker_once(broker, silent_server, django_capture_on_commit_callbacks):
    broker(f"redis://127.0.0.1:{silent_server.port}/0")

    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(20):
            queueing.queue_on_commit(tasks.advance_job, job_id="1")

    assert silent_server.connections == 1


@pytest.mark.django_db
def test_does_not_fail_with_the_broker_down(broker, django_capture_on_commit_callbacks, caplog):
    broker("redis://127.0.0.1:1/0")

    with django_capture_on_commit_callbacks(execute=True):
        queueing.queue_on_commit(tasks.advance_job, job_id="1")

    assert "the sweep will find what is due" in caplog.text


@pytest.mark.django_db
def test_does_not_ring_before_the_commit(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as waiting:
        queueing.queue_on_commit(tasks.advance_job, job_id="1")

    assert len(waiting) == 1


@pytest.mark.django_db
def test_rings_with_the_broker_up(django_capture_on_commit_callbacks, caplog):
    with django_capture_on_commit_callbacks(execute=True):
        queueing.queue_on_commit(tasks.advance_job, job_id="1")

    with current_app.connection_for_read() as connection:
        assert connection.default_channel.client.llen("fast") > 0
    assert not caplog.records
