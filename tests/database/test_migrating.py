"""A migration gives up rather than letting all requests to a table wait behind it."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from finetuning.database import new_session
from finetuning.management.commands import migrate

TABLES = [model._meta.db_table for model in apps.get_app_config("finetuning").get_models()]


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)


def patience():
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return cursor.fetchone()[0]


@pytest.fixture
def last(transactional_db):
    """The newest migration and the one before it, by name."""
    graph = MigrationLoader(connection).graph
    [newest] = graph.leaf_nodes("finetuning")
    [before] = [node.key for node in graph.node_map[newest].parents if node.key[0] == "finetuning"]
    yield newest[1], before[1]
    call_command("migrate", "finetuning", verbosity=0)


def is_applied(name):
    return ("finetuning", name) in MigrationLoader(connection).applied_migrations


def test_gives_up_where_a_table_is_in_use_and_changes_nothing(hasty, last):
    newest, before = last
    with new_session() as reader, reader.transaction():
        for table in TABLES:
            reader.execute(f"SELECT FROM {table} LIMIT 1")
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", "finetuning", before, verbosity=0)

    assert is_applied(newest)
    assert patience() == "0"


def test_takes_a_migration_back_and_applies_it_again(hasty, last):
    newest, before = last

    call_command("migrate", "finetuning", before, verbosity=0)
    assert not is_applied(newest)
    call_command("migrate", "finetuning", newest, verbosity=0)

    assert is_applied(newest)


@pytest.mark.django_db
@pytest.mark.parametrize(("is_atomic", "waits"), [(True, "5s"), (False, "0")])
def test_waits_for_all_requests_only_where_none_waits_behind_it(is_atomic, waits):
    command = migrate.Command()
    command.database, command.verbosity = "default", 0
    migration = Migration("0001_made_up", "finetuning")
    migration.atomic = is_atomic

    command.migration_progress_callback("apply_start", migration)

    assert patience() == waits
