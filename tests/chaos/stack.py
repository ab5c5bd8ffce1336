"""The real stack as children of the rig, which starts again at once what has died."""

import os
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from finetuning.embedded.launcher import ADDRESS, CODE, child_environment, sandbox_url
from finetuning.embedded.postgres import start_postgres
from finetuning.embedded.processes import Child, Command, process_identity
from finetuning.embedded.services import database_url, redis_url
from finetuning.embedded.supervisor import Supervisor
from finetuning.embedded.valkey import start_valkey
from tests.chaos.nursery import ForkedChild, preload

WORKERS = ("worker-1", "worker-2", "worker-3")
BEATS = ("beat-1", "beat-2")
WEBS = ("web-1", "web-2")
FORKED = (*WORKERS, *BEATS, *WEBS)

POLL_SECONDS = 2
PROVIDER_TIMEOUT_SECONDS = 2
LATE_SECONDS = PROVIDER_TIMEOUT_SECONDS + 1
SETTLE_SECONDS = 10
MAX_BACK_OFF_SECONDS = 60
# Time is compressed: intervals, time-outs and leases are short, and training takes some seconds.
COMPRESSED = {
    "POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
    "PROVIDER_TIMEOUT_SECONDS": str(PROVIDER_TIMEOUT_SECONDS),
    "CREATE_SETTLE_SECONDS": str(SETTLE_SECONDS),
    "MAX_BACK_OFF_SECONDS": str(MAX_BACK_OFF_SECONDS),
    "PROVIDER_CALLS_PER_MINUTE": "100000",
    "TASK_TIME_LIMIT_SECONDS": "20",
}
# One organization does here in minutes what takes others a year.
GENEROUS = dict.fromkeys(
    (
        "UPLOADS_PER_HOUR",
        "VERSIONS_PER_HOUR",
        "JOBS_PER_HOUR",
        "REQUESTS_PER_MINUTE",
        "SIGN_INS_PER_ACCOUNT",
        "SIGN_INS_PER_NETWORK",
    ),
    "1000000",
)
SANDBOX_SPEED = 30
FAULTY_SHARE = 0.15

# What a program writes when it can do its work.
READY_MARKS = {
    "postgres": "database system is ready to accept connections",
    "valkey": "Ready to accept connections",
    "provider": "Provider is ready.",
    "worker": " ready.",
    "beat": "beat: Starting...",
    "web": "Uvicorn running on",
}


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the parts of one run are reached."""

    folder: Path
    sockets: Path
    provider_port: int
    web_ports: tuple[int, int]

    @property
    def database_url(self) -> str:
        """Of PostgreSQL, for libpq."""
        return database_url(self.sockets)

    @property
    def web_urls(self) -> tuple[str, ...]:
        """Of both web servers."""
        return tuple(f"http://{ADDRESS}:{port}" for port in self.web_ports)

    @property
    def ledger_url(self) -> str:
        """Of what really happened at the provider."""
        return f"{sandbox_url(self.provider_port)}/v1/_ledger"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((ADDRESS, 0)) as free:
        return free.getsockname()[1]


class Stack:
    """All programs of one run. `seed` decides the provider's faults."""

    def __init__(self, supervisor: Supervisor, places: Places, *, seed: int) -> None:
        self.places = places
        self.supervisor = supervisor
        self.seed = seed
        self.environment = (
            child_environment(places.folder, places.provider_port)
            | COMPRESSED
            | GENEROUS
            | {"DATABASE_URL": places.database_url, "REDIS_URL": redis_url(places.sockets)}
        )
        self.children: dict[str, Child] = {}
        self._ready: dict[str, Child] = {}

    def start(self) -> None:
        """Start everything and return when all of it is ready. Raises StartRefused."""
        start_postgres(self.supervisor, sockets=self.places.sockets)
        start_valkey(self.supervisor, sockets=self.places.sockets)
        self.children |= {name: self.supervisor.child(name) for name in ("postgres", "valkey")}
        sign_in = ("--sign-in-file", str(self.places.folder / "sign-in.json"))
        self.supervisor.run_to_end(self._python("prepare", "manage.py", "prepare", *sign_in))
        self.children["provider"] = self.supervisor.launch(self._provider())
        preload(self.environment)
        for command in self._programs():
            self.children[command.name] = self._launch(command)
        for name, child in self.children.items():
            self.supervisor.wait_for(child, ready=lambda name=name: self.is_up(name))

    def _launch(self, command: Command) -> Child:
        if command.name.startswith(FORKED):
            return ForkedChild(command, self.places.folder / "logs" / f"{command.name}.log")
        return self.supervisor.launch(command)

    def stop(self) -> None:
        """Kill what was forked; the supervisor stops the rest."""
        for name, child in self.children.items():
            if name.startswith(FORKED):
                child.kill_group()
                child.wait(60)

    def _provider(self) -> Command:
        options = (
            *("--port", str(self.places.provider_port), "--data", str(self.places.folder / "sandbox")),
            *("--speed", str(SANDBOX_SPEED), "--seed", str(self.seed)),
            *("--share", str(FAULTY_SHARE), "--late-seconds", str(LATE_SECONDS)),
        )
        return self._python("provider", "-m", "tests.chaos.provider", *options)

    def _programs(self) -> list[Command]:
        webs = zip(WEBS, self.places.web_ports, strict=True)
        return [
            *[self._web(name, port) for name, port in webs],
            *[self._worker(name) for name in WORKERS],
            *[self._celery(name, "beat") for name in BEATS],
        ]

    def _python(self, name: str, *arguments: str) -> Command:
        return Command(
            name=name, argv=(sys.executable, *arguments), environment=self.environment, folder=CODE
        )

    def _web(self, name: str, port: int) -> Command:
        where = ("--host", ADDRESS, "--port", str(port), "--lifespan", "off", "--no-access-log")
        return self._python(name, "-m", "uvicorn", "config.asgi:application", *where)

    def _worker(self, name: str) -> Command:
        return self._celery(
            name, "worker", "--concurrency", "2", "--without-mingle", "--hostname", f"{name}@%h"
        )

    def _celery(self, name: str, *arguments: str) -> Command:
        return self._python(name, "-m", "celery", "-A", "config", *arguments, "--loglevel", "INFO")

    def launch_clients(self, *arguments: str) -> Child:
        """Start the process of the clients; it is never killed and never started again."""
        return self.supervisor.launch(self._python("clients", "-m", "tests.chaos.clients", *arguments))

    def is_up(self, name: str) -> bool:
        """Whether the program lives and has said, once since its start, that it is ready."""
        child = self.children[name]
        if self._ready.get(name) is not child and _has_said(child, READY_MARKS[name.partition("-")[0]]):
            self._ready[name] = child
        return child.exit_code is None and self._ready.get(name) is child

    def tend(self) -> None:
        """Start again what has died."""
        for name, child in self.children.items():
            if child.exit_code is not None:
                child.kill_group()
                self.children[name] = self._launch(child.command)

    def kill(self, name: str) -> int:
        """Kill a program with all its processes; returns when none is left, with the number of its leader."""
        child = self.children[name]
        os.kill(child.pid, signal.SIGSTOP)
        victims = [child.pid, *children_of(child.pid)]
        identities = {pid: process_identity(pid) for pid in victims}
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait(60)
        while any(identity and process_identity(pid) == identity for pid, identity in identities.items()):
            time.sleep(0.01)
        return child.pid

    def wipe_valkey(self) -> None:
        """Remove what a killed Valkey had written."""
        folder = self.places.folder / "valkey"
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)


def _has_said(child: Child, mark: str) -> bool:
    with child.log.open("rb") as log:
        log.seek(child.log_offset)
        return mark.encode() in log.read()


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started and that live. Source: proc_tid_children(5)."""
    try:
        return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
