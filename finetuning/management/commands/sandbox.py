"""``manage.py sandbox``: serve the sandbox provider in the foreground."""

import os
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from finetuning.sandbox import faults
from finetuning.sandbox.app import create_app
from finetuning.sandbox.errors import ApiError
from finetuning.sandbox.server import SandboxServer
from finetuning.sandbox.settings import SandboxSettings


class Command(BaseCommand):
    """Serve until SIGINT or SIGTERM."""

    help = "Serves an OpenAI-compatible fine-tuning provider that trains nothing, for rehearsals and tests."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8999, help="0 takes a free one")
        parser.add_argument(
            "--data", type=Path, default=Path(".data/sandbox"), help="folder of all its state"
        )
        parser.add_argument("--speed", type=float, default=60.0, help="how many times faster than real")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--dialect", choices=["observed", "spec"], default="observed")
        parser.add_argument("--webhook-url", help="is told when a job ends")
        parser.add_argument("--webhook-secret", help="whsec_ and base64; needed with --webhook-url")
        parser.add_argument("--faults", type=Path, help="JSON as for POST /_faults; replaces what was set")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve. SANDBOX_API_KEYS, a comma-separated list, limits which keys are accepted."""
        if options["speed"] <= 0:
            raise CommandError("--speed must be above 0.")
        keys = {key.strip() for key in os.environ.get("SANDBOX_API_KEYS", "").split(",")}
        settings = SandboxSettings(
            data_dir=options["data"],
            speed=options["speed"],
            seed=options["seed"],
            dialect=options["dialect"],
            webhook_url=options["webhook_url"],
            webhook_secret=options["webhook_secret"],
            allowed_keys=frozenset(keys - {""}),
        )
        try:
            app = create_app(settings)
            if options["faults"]:
                faults.replace_all(app.sandbox, options["faults"].read_bytes())
            server = SandboxServer(app, options["host"], options["port"])
        except (OSError, ValueError, ApiError) as error:
            raise CommandError(f"The sandbox cannot start: {error}") from error
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        self.stdout.write(
            f"Sandbox provider on http://{options['host']}:{server.server_port}/v1, "
            f"data in {options['data']}."
        )
        self.stdout.flush()
        server.serve()
