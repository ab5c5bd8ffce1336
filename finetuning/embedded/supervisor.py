"""Several children: started in order, watched, restarted when they die, stopped in reverse."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.processes import Child, Command, end_stranger

LOG_LIMIT_BYTES = 10 * 1024 * 1024
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long was healthy: the next pause is the first one again.
HEALTHY_SECONDS = 60.0
TURN_SECONDS = 0.05

Say = Callable[[str], None]


def say(line: str) -> None:
    """Writes a line to the terminal, which may be gone already."""
    try:
        print(line, flush=True)  # noqa: T201 - the launcher's output is its interface
    except OSError:
        return


class Stopped(Exception):
    """A stop was asked for while something was being started."""


class Supervisor:
    """Owns the children of one data folder. `stop_asked` is set by whoever wants everything to end."""

    def __init__(self, *, folder: Path, stop_asked: threading.Event, say: Say = say) -> None:
        self.folder = folder
        self.stop_asked = stop_asked
        self.say = say
        self._children: dict[str, Child] = {}
        self._pauses: dict[str, float] = {}
        self._restart_at: dict[str, float] = {}
        self._log_offsets: dict[str, int] = {}
        (folder / "logs").mkdir(exist_ok=True)
        self.end_leftovers()

    @property
    def _record(self) -> Path:
        return self.folder / "children.json"

    def end_leftovers(self) -> None:
        """Stops the children of a launcher that was killed, newest first."""
        if not self._record.exists():
            return
        for child in reversed(json.loads(self._record.read_text() or "[]")):
            end_stranger(child["pid"], child["identity"], child["stop_signal"])
        self._record.unlink()

    def launch(self, command: Command) -> Child:
        """Starts `command` and writes down its process number, for `end_leftovers` of a later start."""
        log = self.folder / "logs" / f"{command.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        child = Child(command, log)
        self._children[command.name] = child
        self._log_offsets[command.name] = child.log_offset
        self._write_record()
        return child

    def child(self, name: str) -> Child:
        """The child that was launched last under that name."""
        return self._children[name]

    def _write_record(self) -> None:
        children = [
            {"pid": child.pid, "identity": child.identity, "stop_signal": int(child.command.stop_signal)}
            for child in self._children.values()
            if child.identity
        ]
        partial = self._record.with_suffix(".new")
        partial.write_text(json.dumps(children))
        partial.replace(self._record)

    def wait_for(self, child: Child, *, ready: Callable[[], bool], seconds: float = 120.0) -> None:
        """Waits until `ready()`.

        Raises StartRefused with the end of its log when it dies or is not ready in time, Stopped on a stop.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if child.exit_code is not None:
                raise StartRefused(self._epitaph(child, f"ended with code {child.exit_code}"))
            if time.monotonic() > deadline:
                raise StartRefused(self._epitaph(child, f"did not answer within {seconds:.0f} s"))
            if self.stop_asked.wait(TURN_SECONDS):
                raise Stopped
        # What it complained about until then no longer matters.
        self._log_offsets[child.command.name] = child.log.stat().st_size

    def run_to_end(self, command: Command) -> list[str]:
        """Runs a program that ends by itself; returns its last lines. Raises StartRefused, Stopped."""
        child = self.launch(command)
        while child.exit_code is None:
            if self.stop_asked.wait(TURN_SECONDS):
                raise Stopped
        del self._children[command.name]
        if child.exit_code != 0:
            raise StartRefused(self._epitaph(child, f"ended with code {child.exit_code}"))
        return child.last_lines()

    def _epitaph(self, child: Child, what: str) -> str:
        tail = "\n".join(f"    {line}" for line in child.last_lines(8))
        return f"{child.command.name} {what}. Its log is {child.log} and ends with:\n{tail}"

    def watch(self) -> None:
        """Shows problems and restarts what dies, until a stop is asked for."""
        while not self.stop_asked.wait(0.5):
            for child in list(self._children.values()):
                self._show_problems(child)
                if child.exit_code is not None:
                    self._revive(child)

    def _revive(self, child: Child) -> None:
        name, now = child.command.name, time.monotonic()
        if name not in self._restart_at:
            child.kill_group()
            healthy = now - child.started_at > HEALTHY_SECONDS
            pause = FIRST_PAUSE_SECONDS if healthy else self._pauses.get(name, FIRST_PAUSE_SECONDS)
            self._pauses[name] = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._restart_at[name] = now + pause
            self.say(
                self._epitaph(child, f"ended with code {child.exit_code}; starting it again in {pause:.0f} s")
            )
        elif now >= self._restart_at[name]:
            del self._restart_at[name]
            self.launch(child.command)
            self.say(f"{name} started again")

    def _show_problems(self, child: Child) -> None:
        name = child.command.name
        with child.log.open("rb") as log:
            log.seek(self._log_offsets[name])
            block = log.read(LOG_LIMIT_BYTES)
        complete = block[: block.rfind(b"\n") + 1]
        self._log_offsets[name] += len(complete)
        for line in complete.decode(errors="replace").splitlines():
            if any(mark in line for mark in child.command.problem_marks):
                self.say(f"{name}: {line[:200]}")

    def stop(self) -> None:
        """Stops all children, the last one started first. Safe to call twice."""
        if self._children:
            self.say(f"Stopping     {', '.join(reversed(self._children))}")
        while self._children:
            name, child = self._children.popitem()
            child.stop()
            if not child.stopped_cleanly and name not in self._restart_at:
                self.say(f"{name} ended with code {child.exit_code}; its log is {child.log}")
        self._record.unlink(missing_ok=True)
