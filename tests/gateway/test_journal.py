"""A call is counted once, whatever dies where."""

import fcntl
import os
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from django.urls import reverse
from django.utils import timezone

from finetuning.ids import uuid7
from models_registry import tasks
from models_registry.gateway.journal import Journal, fold_released
from models_registry.models import UsageBatch, UsageDay
from models_registry.usage import CallRecord, Said
from tests.factories import FineTunedModelFactory, OrganizationFactory
from tests.gateway.conftest import away

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


def files(journal):
    return [path for path in journal.folder.iterdir() if path.is_file()]


def put_aside(journal):
    """The files that wait for an operator."""
    return sorted((journal.folder / "aside").iterdir())


def test_counts_what_a_dead_process_left(journal, record, model):
    journal.append(record)
    journal.append(record)
    # The kernel lets go of a dead process' locks just so.
    journal.release()

    assert fold_released(journal.folder) == 1
    assert counted(model) == 2
    assert list(journal.folder.iterdir()) == []


def test_leaves_a_file_alone_that_is_written_to(journal, record, model):
    journal.append(record)

    assert fold_released(journal.folder) == 0
    assert counted(model) == 0


def test_counts_a_file_once_that_is_found_again(journal, record, model):
    """The process was killed before it removed the file, or the removal was lost with the machine's power."""
    journal.append(record)
    (path,) = files(journal)
    content = path.read_bytes()
    journal.release()
    for _ in range(3):
        fold_released(journal.folder)
        path.write_bytes(content)
        tasks.forget_usage_batches()

    assert fold_released(journal.folder) == 0
    assert counted(model) == 1
    assert files(journal) == []


def test_forgets_a_batch_only_when_its_file_is_too_old_to_be_counted(journal, record, model):
    """Whoever finds the file after that cannot know whether it was counted."""
    journal.append(record)
    (path,) = files(journal)
    content = path.read_bytes()
    journal.release()
    fold_released(journal.folder)
    long_ago = timezone.now() - timedelta(days=7, minutes=1)
    UsageBatch.objects.update(created_at=long_ago)
    UsageBatch.objects.create(pk=uuid7(), refused_calls=1)
    UsageBatch.objects.filter(refused_calls=1).update(created_at=long_ago)

    tasks.forget_usage_batches()

    assert UsageBatch.objects.get().refused_calls == 1
    old = UUID(int=UUID(path.stem).int - (7 * 86_400_000 << 80))
    (journal.folder / f"{old}.calls").write_bytes(content)
    assert fold_released(journal.folder) == 0
    assert counted(model) == 1
    assert put_aside(journal)[0].read_bytes() == content


def test_keeps_a_file_that_the_database_did_not_take(journal, record, model):
    journal.append(record)
    journal.release()
    with away("usage_days"):
        assert fold_released(journal.folder) == 0

    assert counted(model) == 0
    assert fold_released(journal.folder) == 1
    assert counted(model) == 1


def test_leaves_out_half_a_line(journal, record, model):
    """Whoever died while writing has sent no end of that answer."""
    journal.append(record)
    (path,) = files(journal)
    journal.release()
    with path.open("ab") as file:
        file.write(b'{"ended_at":1790000')

    fold_released(journal.folder)

    assert counted(model) == 1
    assert list(journal.folder.iterdir()) == []


def test_shows_no_file_before_it_has_locked_it(journal, record, model, monkeypatch):
    """So the lock is free whenever it is taken, and a call waits for nobody who folds."""
    lock, seen = fcntl.flock, []

    def watched(file, operation):
        seen.append((list(journal.folder.glob("*.calls")), operation))
        lock(file, operation)

    with monkeypatch.context() as watching:
        watching.setattr(fcntl, "flock", watched)
        journal.append(record)
    journal.release()

    assert seen == [([], fcntl.LOCK_EX | fcntl.LOCK_NB)]
    fold_released(journal.folder)
    assert counted(model) == 1


def test_removes_what_a_process_left_that_died_before_it_wrote(journal):
    old, new = (journal.folder / f"{uuid7()}.new" for _ in range(2))
    for path in (old, new):
        path.touch()
    an_hour_ago = timezone.now().timestamp() - 3601
    os.utime(old, (an_hour_ago, an_hour_ago))

    fold_released(journal.folder)

    assert files(journal) == [new]


def test_lets_nobody_else_read_what_was_said(journal, record):
    journal.append(record)

    assert [path.stat().st_mode & 0o777 for path in files(journal)] == [0o600]


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


def test_puts_a_line_aside_that_it_cannot_read(journal, record, model, caplog, operator_client):
    journal.append(record)
    (path,) = files(journal)
    with path.open("ab") as file:
        file.write(b'{"said": "Only I may read this."}\n')
    journal.append(record)
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 2
    assert files(journal) == []
    (aside,) = put_aside(journal)
    assert aside.read_bytes() == b'{"said": "Only I may read this."}\n'
    assert aside.stat().st_mode & 0o777 == 0o600
    batch = UsageBatch.objects.get()
    assert (batch.refused_calls, batch.reason) == (1, "1 cannot be read, 0 cannot be stored")
    assert str(aside) in caplog.text
    assert "Only I" not in caplog.text
    page = operator_client.get(reverse("admin:models_registry_usagebatch_changelist"))
    assert str(batch.pk) in page.text
    assert batch.reason in page.text


@pytest.mark.parametrize(
    "change", [{"provider_model_id": "m" * 301}, {"provider_model_id": "a\0b"}, {"latency_ms": 2**63 - 1}]
)
def test_puts_a_call_aside_that_the_database_refuses(journal, record, model, change):
    """And counts it once when an operator has mended it and put it back."""
    bad = msgspec.structs.replace(record, model_id=None, prompt_tokens=1, **change)
    journal.append(record)
    journal.append(bad)
    journal.append(record)
    if "latency_ms" in change:
        journal.append(bad)
    journal.release()

    fold_released(journal.folder)

    assert model.organization.usage_days.filter(model=model).get().requests == 2
    (aside,) = put_aside(journal)
    assert UsageBatch.objects.get().refused_calls == 1
    back = journal.folder / aside.name
    back.write_bytes(msgspec.json.encode(record) + b"\n")
    aside.unlink()
    fold_released(journal.folder)
    fold_released(journal.folder)
    assert model.organization.usage_days.filter(model=model).get().requests == 3


def test_counts_lines_that_are_mended_one_after_the_other(journal, record, model):
    """Each time the rest is put aside under a name that was never counted."""
    good = msgspec.json.encode(record) + b"\n"
    journal.append(record)
    (path,) = files(journal)
    with path.open("ab") as file:
        file.write(b"bad\n" * 3)
    journal.release()

    for bad in (2, 1, 0):
        fold_released(journal.folder)
        (aside,) = put_aside(journal)
        aside.unlink()
        (journal.folder / aside.name).write_bytes(good + b"bad\n" * bad)
    fold_released(journal.folder)

    assert counted(model) == 4
    assert (files(journal), put_aside(journal)) == ([], [])


def test_puts_lines_aside_once_when_their_file_is_counted_again(journal, record, model):
    """The process was killed after it wrote them and before it counted the others."""
    journal.append(record)
    (path,) = files(journal)
    with path.open("ab") as file:
        file.write(b"bad\n")
    content = path.read_bytes()
    journal.release()
    fold_released(journal.folder)
    before = put_aside(journal)
    UsageBatch.objects.all().delete()
    path.write_bytes(content)

    fold_released(journal.folder)

    assert put_aside(journal) == before
    assert before[0].read_bytes() == b"bad\n"


@pytest.mark.parametrize("name", ["notes.calls", "c6f7a8e2-94c4-4d0e-8a43-0c6a1b1f7a10.calls"])
def test_puts_a_file_aside_that_is_none_of_its_own(journal, record, model, name):
    (journal.folder / name).write_bytes(msgspec.json.encode(record) + b"\n")
    journal.append(record)
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 1
    assert [path.name for path in put_aside(journal)] == [name]
    assert UsageBatch.objects.filter(refused_calls=1, reason=f"'{name}' has no name of ours").exists()


def test_notes_a_file_once_that_cannot_be_put_aside_yet(journal, record):
    """The disk was full, say, for a few rounds."""
    (journal.folder / "aside").write_text("no folder")
    (journal.folder / "notes.calls").write_bytes(msgspec.json.encode(record) + b"\n")
    for _ in range(3):
        fold_released(journal.folder)
    assert not UsageBatch.objects.exists()

    (journal.folder / "aside").unlink()
    fold_released(journal.folder)
    (journal.folder / "aside" / "notes.calls").rename(journal.folder / "notes.calls")
    fold_released(journal.folder)

    assert UsageBatch.objects.get().refused_calls == 1
    assert [path.name for path in put_aside(journal)] == ["notes.calls"]


def test_counts_other_files_beside_one_with_an_odd_name(journal, record, model, caplog):
    (journal.folder / os.fsdecode(b"00\xff.calls")).write_bytes(b"x\n")
    journal.append(record)
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 1
    assert UsageBatch.objects.filter(reason=r"'00\udcff.calls' has no name of ours").exists()
    assert caplog.text.isascii()


def test_counts_other_files_beside_one_that_it_cannot_open(journal, record, model):
    (journal.folder / f"{UUID(int=0)}.calls").mkdir()
    journal.append(record)
    journal.release()

    assert fold_released(journal.folder) == 1
    assert counted(model) == 1


def test_counts_a_call_whose_words_the_database_cannot_hold(journal, record, model, caplog):
    said = Said(agent_name="bot", messages=[{"role": "user", "content": "Only I may read this.\0"}])
    journal.append(msgspec.structs.replace(record, said=said))
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 1
    assert not model.organization.conversations.exists()
    assert "a conversation of bot cannot be kept" in caplog.text
    assert "Only I" not in caplog.text


@pytest.mark.parametrize("is_of_others", [False, True])
def test_keeps_words_whose_workspace_is_gone(journal, record, model, is_of_others):
    other = OrganizationFactory().workspaces.create(name="Theirs")
    ours = model.organization.workspaces.create(name="Support")
    for workspace_id in (other.pk if is_of_others else uuid4(), ours.pk):
        said = Said(agent_name="bot", workspace_id=workspace_id, messages=[{"role": "user", "content": "Hi"}])
        journal.append(msgspec.structs.replace(record, said=said))
    journal.release()

    fold_released(journal.folder)

    assert counted(model) == 2
    kept = model.organization.conversations.values_list("workspace", flat=True)
    assert set(kept) == {None, ours.pk}
    assert files(journal) == []
