"""Brings a backup of `back_up` into an empty database and the storage."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetuning import backups
from finetuning.errors import Refused


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty database. It starts nothing until confirm_installation has been run."
    )
    # They ask for tables, and there are none yet.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what back_up has written")

    def handle(self, *, folder: Path, **options: object) -> None:
        try:
            manifest = backups.restore(folder)
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        rows = sum(manifest["database"]["rows"].values())
        self.stdout.write(f"{rows} rows and {len(manifest['files'])} files of {folder} were restored.")
        self.stdout.write("Now run migrate, and confirm_installation, until which nothing is started.")
