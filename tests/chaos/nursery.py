"""Programs forked from the rig, which has imported the product once: a start costs a tenth of a new Python's.

A killed program is started again hundreds of times in a run, and most of a start is importing. What runs after
the fork is the same: `python -m celery ...` or `python -m uvicorn ...` in a process group of its own.
"""

import importlib
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from finetuning.embedded.processes import Child, Command, end_with_parent, process_identity

PRELOADED = (
    "config.asgi",
    "config.urls",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.worker",
    "django_celery_beat.schedulers",
    "finetuning.providers.openai",
    "uvicorn",
)
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def preload(environment: Mapping[str, str]) -> None:
    """Import the product under the settings of `environment`, for all programs that are forked later."""
    os.environ |= environment
    for module in PRELOADED:
        importlib.import_module(module)
    from config.celery import app  # needs the environment

    app.loader.import_default_modules()
    app.finalize()


class ForkedChild(Child):
    """A child whose command, `python -m MODULE ARGUMENT ...`, runs in a fork of this process."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self.log_offset = output.tell()
            self._process = _Fork(command, output.fileno())
        self.pid = self._process.pid
        self.identity = process_identity(self.pid)


class _Fork:
    """What `Child` needs of a `subprocess.Popen`."""

    def __init__(self, command: Command, output: int) -> None:
        self.returncode: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, output)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _become(command: Command, output: int) -> None:
    """Run the command in this process, and never return."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        if die_with_rig := end_with_parent(signal.SIGKILL):
            die_with_rig()
        for stream in (1, 2):
            os.dup2(output, stream)
        os.chdir(command.folder)
        _, _, module, *arguments = command.argv
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - the log says why, and nothing of this may return to the rig
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
