"""One child process in the foreground, in a process group of its own, with its output in a file."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of this machine that a program runs as instead of root."""

    user_id: int
    group_id: int

    @classmethod
    def of_user(cls, user_id: int) -> "Account":
        """The account with that number. Raises KeyError when the machine does not list it."""
        return cls(user_id=user_id, group_id=pwd.getpwuid(user_id).pw_gid)


@dataclass(frozen=True, kw_only=True)
class Command:
    """How to start one program.

    `name` is shown to people and names the log. `stop_signal` is the program's word for "finish properly",
    `patience` the seconds it gets for that before it is killed.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 20.0
    problem_marks: Sequence[str] = (" ERROR ", "ERROR: ", " CRITICAL ")


class Child:
    """A started `Command`."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self.log_offset = output.tell()
            self._process = start_process(command, output.fileno())
        self.pid = self._process.pid
        self.identity = process_identity(self.pid)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal, as in `subprocess`."""
        return self._process.poll()

    @property
    def stopped_cleanly(self) -> bool:
        """True when it ended with 0, or by the very signal that it was asked with."""
        return self.exit_code in (0, -self.command.stop_signal)

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, at most so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def stop(self) -> None:
        """Asks it to finish, waits, then kills what is left of its process group."""
        if self.exit_code is None:
            self._process.send_signal(self.command.stop_signal)
            self.wait(self.command.patience)
        self.kill_group()
        self._process.wait()

    def kill_group(self) -> None:
        """Kills it and its own children, which outlive it when it was killed itself."""
        kill_group(self.pid)

    def last_lines(self, count: int = 1000) -> list[str]:
        """The end of what this child has written since it was started."""
        with self.log.open("rb") as output:
            output.seek(self.log_offset)
            return output.read().decode(errors="replace").splitlines()[-count:]


def start_process(command: Command, output: int) -> subprocess.Popen[bytes]:
    """Starts `command` with both outputs in the open file `output`. Raises OSError."""
    account = command.account
    return subprocess.Popen(  # nosec B603 # noqa: S603 - commands are built here, none from input
        command.argv,
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
        user=account.user_id if account else None,
        group=account.group_id if account else None,
        extra_groups=[] if account else None,
        # Runs after the change of user, which would clear the wish. The launcher has one thread.
        preexec_fn=end_with_parent(command.stop_signal),  # noqa: PLW1509
    )


def end_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """A call for the new child, after which Linux sends it `stop_signal` when the launcher dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, int(stop_signal))


def kill_group(leader: int) -> None:
    """Kills the process group that `leader` started, if any of it is left."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def process_identity(pid: int) -> str | None:
    """When the process with this number was started, as the system writes it. None when there is none.

    Numbers are used again, number and start time together are not. Source: proc_pid_stat(5), fields 3 and 22.
    """
    if sys.platform != "linux":
        answer = subprocess.run(  # nosec B603 # noqa: S603 - a number of ours
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return answer.stdout.strip() or None
    try:
        state_and_more = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state_and_more[0] == "Z" else state_and_more[19]


def end_stranger(pid: int, identity: str, stop_signal: int, patience: float = 20.0) -> None:
    """Stops a process that an earlier launcher started and did not live to stop."""
    if process_identity(pid) != identity:
        return
    os.kill(pid, stop_signal)
    deadline = time.monotonic() + patience
    while process_identity(pid) == identity:
        if time.monotonic() > deadline:
            kill_group(pid)
        time.sleep(0.05)
