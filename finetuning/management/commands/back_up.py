"""Writes the database and the stored files into a folder, from which `restore` brings them back."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetuning import backups
from finetuning.errors import Refused


class Command(BaseCommand):
    help = "Back up the database and the stored files, as they are at one moment, while everything runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is not there yet")

    def handle(self, *, folder: Path, **options: object) -> None:
        try:
            manifest = backups.back_up(folder)
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        rows = sum(manifest["database"]["rows"].values())
        self.stdout.write(f"{folder} holds {rows} rows and {len(manifest['files'])} files.")
        for name in manifest["missing"]:
            self.stderr.write(f"The storage no longer has {name}; the backup is without it.")
