"""Ends the quarantine of a database that was restored or copied."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from finetuning.models import Installation
from jobs import services


class Command(BaseCommand):
    help = (
        "Says what this database is, after it was restored or copied to another place: until then nothing is "
        "started or cancelled at a provider."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the choice, which has no default: the wrong one costs money."""
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument(
            "--restored",
            action="store_true",
            help="the other installation is gone and this one goes on in its place, with its runs",
        )
        choice.add_argument(
            "--copied",
            action="store_true",
            help="the other installation goes on: this one is new, and leaves the runs of the other alone",
        )

    def handle(self, **options: Any) -> None:
        """Confirm, and set the unfinished jobs right."""
        installation = Installation.load()
        if not installation.is_quarantined:
            self.stdout.write("This database is where it was confirmed; there is nothing to do.")
            return
        with transaction.atomic():
            if options["restored"]:
                installation.confirm_restored()
                count, done = services.expect_lost_runs(), "are looked for at the provider before they start"
            else:
                installation.confirm_copied()
                count, done = services.give_up_copied_jobs(), "belong to the other one and were ended here"
        self.stdout.write(f"This is installation {installation}. {count} unfinished jobs {done}.")
