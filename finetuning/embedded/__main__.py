"""Runs one command with a database and a broker, and exits with its code.

`python -m finetuning.embedded -- pytest -n 3` gives it a PostgreSQL and a Valkey of its own: both are new,
keep their data in a temporary folder and are gone afterwards. A server that is named by `DATABASE_URL` or
`REDIS_URL` is used instead.

`python -m finetuning.embedded --running .data -- python manage.py shell` gives it the settings of the copy
that runs on that data folder.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.folder import running_environment, socket_folder
from finetuning.embedded.services import start_throwaway_services
from finetuning.embedded.supervisor import Stopped, Supervisor

USAGE = "usage: python -m finetuning.embedded [--running DATA] -- COMMAND [ARGUMENT ...]"


def main(arguments: list[str]) -> int:
    """The command's exit code; 2 for wrong use, 1 when the servers do not start."""
    try:
        match arguments:
            case ["--", _, *_]:
                return run_with_services(arguments[1:])
            case ["--running", data, "--", _, *_]:
                environment = os.environ | running_environment(Path(data).resolve())
                return _run(arguments[3:], environment, threading.Event())
            case _:
                return _fail(USAGE, 2)
    except StartRefused as error:
        return _fail(str(error), 1)
    except Stopped:
        return 128 + signal.SIGINT


def run_with_services(command: list[str]) -> int:
    """Runs `command` between the start and the stop of both servers. Raises StartRefused, Stopped."""
    stop_asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_asked.set())
    with tempfile.TemporaryDirectory(prefix="attune-test-") as name, socket_folder(Path(name)) as sockets:
        supervisor = Supervisor(folder=Path(name), stop_asked=stop_asked)
        try:
            urls = start_throwaway_services(supervisor, sockets=sockets)
            return _run(command, os.environ | urls, stop_asked)
        finally:
            supervisor.stop()


def _run(command: list[str], environment: dict[str, str], stop_asked: threading.Event) -> int:
    with subprocess.Popen(command, env=environment) as process:  # nosec B603 # noqa: S603 - the caller's own command
        # The terminal sends Ctrl-C to the command too, which then ends in its own way.
        signal.signal(signal.SIGINT, lambda *_: None)
        while process.poll() is None:
            if stop_asked.wait(0.1):
                process.terminate()
                process.wait()
        return process.returncode


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - a command's error goes to the terminal
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
