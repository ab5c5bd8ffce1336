"""Brings the database up to date and makes the first owner: what `up` does before it starts the programs."""

import json
import os
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from finetuning import services


class Command(BaseCommand):
    help = "Migrate, and create the first owner when there are no users yet."
    # `make check` runs them; here somebody waits for the start.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sign-in-file",
            type=Path,
            help="where to write the first owner's sign-in, readable by you only; default: it is shown",
        )

    def handle(self, *, sign_in_file: Path | None, **options: object) -> None:
        call_command("migrate", interactive=False, verbosity=1)
        created = services.create_first_owner()
        if not created:
            return
        email, password = created
        if sign_in_file:
            write_sign_in(sign_in_file, email=email, password=password)
        else:
            self.stdout.write(f"Sign in with {email} and the password {password} (shown only this once).")


def write_sign_in(path: Path, *, email: str, password: str) -> None:
    """Writes the sign-in for its reader, who shows it once and removes the file."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"email": email, "password": password}, file)
