"""A call is counted once, whatever dies where."""

import fcntl
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from models_registry.gateway.journal import Journal, fold_released
from models_registry.models import UsageBatch, UsageDay
from models_registry.usage import CallRecord
from tests.factories import FineTunedModelFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model(organization):
    return FineTunedModelFactory(organization=organization)


@pytest.fixture
def record(model):
    return CallRecord(
        ended_at=1_790_000_000.5,
        organization_id=model.organization_id,
        provider_model_id=model.provider_model_id,
        model_id=model.pk,
        prompt_tokens=7,
        completion_tokens=3,
        latency_ms=20,
    )


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.release()


def counted(model):
    model.refresh_from_db()
    requests = sum(UsageDay.objects.values_list("requests", flat=True))
    assert model.total_requests == requests
    return requests


def test_counts_what_a_dead_process_left(journal, record, model):
    journal.append(record)
    journal.append(record)
    # The kernel lets go of a dead process' locks just so.
    journal.release()

    assert fold_released(journal.folder) == 1
    assert counted(model) == 2
    assert list(journal.folder.iterdir()) == []
    assert not UsageBatch.objects.exists()


def test_leaves_a_file_alone_that_is_written_to(journal, record, model):
    journal.append(record)

    assert fold_released(journal.folder) == 0
    assert counted(model) == 0


def test_counts_a_file_once_that_is_found_again(journal, record, model):
    """The process was killed between the commit and the removal of the file."""
    journal.append(record)
    (path,) = journal.folder.iterdir()
    content = path.read_bytes()
    journal.release()
    fold_released(journal.folder)
    path.write_bytes(content)
    UsageBatch.objects.create(pk=path.stem)

    assert fold_released(journal.folder) == 0
    assert counted(model) == 1
    assert list(journal.folder.iterdir()) == []


def rename_table(old, new):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_keeps_a_file_that_the_database_did_not_take(journal, record, model):
    journal.append(record)
    journal.release()
    rename_table("usage_days", "away")
    try:
        with pytest.raises(DatabaseError):
            fold_released(journal.folder)
    finally:
        rename_table("away", "usage_days")

    assert counted(model) == 0
    assert fold_released(journal.folder) == 1
    assert counted(model) == 1


def test_leaves_out_half_a_line(journal, record, model):
    """Whoever died while writing has sent no end of that answer."""
    journal.append(record)
    (path,) = journal.folder.iterdir()
    journal.release()
    with path.open("ab") as file:
        file.write(b'{"ended_at":1790000')

    fold_released(journal.folder)

    assert counted(model) == 1


def test_writes_to_no_file_that_was_removed_before_it_was_locked(journal, record, model, monkeypatch):
    lock, removed = fcntl.flock, []

    def slow_lock(file, operation):
        if not removed:
            removed.extend(journal.folder.iterdir())
            removed[0].unlink()
        lock(file, operation)

    with monkeypatch.context() as race:
        race.setattr(fcntl, "flock", slow_lock)
        journal.append(record)
    journal.release()
    fold_released(journal.folder)

    assert len(removed) == 1
    assert counted(model) == 1


def test_leaves_out_calls_of_an_organization_that_is_gone(journal, record, model):
    journal.append(record)
    journal.append(CallRecord(ended_at=1.0, organization_id=uuid4(), provider_model_id="x"))
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 1


def test_adds_to_one_row_for_a_day(journal, record, model):
    for _ in range(3):
        journal.append(record)
        journal.release()
        fold_released(journal.folder)

    assert counted(model) == 3
    assert UsageDay.objects.count() == 1
    assert model.average_latency_ms == 20.0
