"""A migration gives up rather than letting all requests to a table wait behind it."""

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from finetuning.database import new_session
from finetuning.management.commands import migrate

LAST, BEFORE = "0016_longest_sign_in", "0015_suspension"


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)


def patience():
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_gives_up_where_the_table_is_in_use_and_changes_nothing(hasty):
    with new_session() as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM token_families")
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", "finetuning", BEFORE, verbosity=0)

    applied = MigrationLoader(connection).applied_migrations
    assert ("finetuning", LAST) in applied
    assert patience() == "0"


@pytest.mark.django_db(transaction=True)
def test_takes_a_migration_back_and_applies_it_again(hasty):
    for name in (BEFORE, LAST):
        call_command("migrate", "finetuning", name, verbosity=0)
        applied = MigrationLoader(connection).applied_migrations
        assert (("finetuning", LAST) in applied) == (name == LAST)


@pytest.mark.django_db
@pytest.mark.parametrize(("is_atomic", "waits"), [(True, "5s"), (False, "0")])
def test_waits_for_all_requests_only_where_none_waits_behind_it(is_atomic, waits):
    command = migrate.Command()
    command.database, command.verbosity = "default", 0
    migration = Migration("0001_made_up", "finetuning")
    migration.atomic = is_atomic

    command.migration_progress_callback("apply_start", migration)

    assert patience() == waits
