"""Migrations that wait for no lock: behind one that waits, every request to its table waits, too."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations import Migration

LOCK_SECONDS = 5


class Command(migrate.Command):
    """Django's, which gives up where a lock is not to be had within seconds. Run it again then."""

    def handle(self, *args: Any, **options: Any) -> None:
        self.database = options["database"]
        try:
            super().handle(*args, **options)
        finally:
            # Whoever called it may go on with the session.
            self._wait_at_most(0)

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, *args: Any
    ) -> None:
        """Called before each migration. Nobody waits behind one that is not atomic.

        It builds an index beside the requests, and would leave half of one behind.
        """
        if migration is not None and action.endswith("apply_start"):
            self._wait_at_most(LOCK_SECONDS if migration.atomic else 0)
        super().migration_progress_callback(action, migration, *args)

    def _wait_at_most(self, seconds: float) -> None:
        """0 is for as long as it takes."""
        with connections[self.database].cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [f"{seconds * 1000:.0f}ms"])
