"""Who is killed, when, and the proof that it was hit."""

import json
import math
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from finetuning.embedded.processes import process_identity
from tests.chaos.stack import (
    BEATS,
    PROVIDER_TIMEOUT_SECONDS,
    WEBS,
    WORKERS,
    Stack,
    children_of,
)

# Of all kills, in per cent.
MIX = {
    "worker_child": 28,
    "worker_group": 21,
    "worker_pause": 6,
    "web": 5,
    "beat": 15,
    "valkey": 15,
    "postgres": 10,
}
# A run with fewer real hits than these shares of its kills proves nothing: 30 and 50 of 500.
MIN_RECOVERIES = 0.06
MIN_WIPES = 0.10
# Longer than a job's lease, so that a paused worker wakes up to find its job in other hands.
PAUSE_SECONDS = 2 * PROVIDER_TIMEOUT_SECONDS + 12
GAP_SECONDS = (0.1, 0.6)
TURN_SECONDS = 0.05
TARGET_SECONDS = 120

RECOVERY_MARK = "database system was not properly shut down"
WIPE_MARK = "Creating AOF base file"


class Void(Exception):
    """The run proves nothing. The message says why."""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Processes of a worker that are stopped until then, a time of `time.monotonic`."""

    until: float
    pids: list[int]
    worker: str


def deal(kills: int, seed: int) -> list[str]:
    """The kinds of all kills in their order: the shares of MIX, shuffled by `seed`."""
    deck = [kind for kind, share in MIX.items() for _ in range(kills * share // 100)]
    deck += ["worker_child"] * (kills - len(deck))
    random.Random(seed).shuffle(deck)
    return deck


class Nemesis:
    """Kills by seed, and writes each proven kill to `journal`, one JSON object per line."""

    def __init__(self, stack: Stack, *, seed: int, journal: Path) -> None:
        self.stack = stack
        self.journal = journal
        self._random = random.Random(f"targets {seed}")
        self._paused: list[Pause] = []
        self._strikes: dict[str, Callable[[str], int]] = {
            "worker_child": self._kill_child,
            "worker_pause": self._pause,
            "valkey": self._wipe,
        }
        journal.touch()

    def strike(self, kind: str) -> None:
        """Hit one program of the kind, as soon as one of them is up. Raises Void when none comes up."""
        target = self._await_target(kind)
        pid = self._strikes.get(kind, self.stack.kill)(target)
        with self.journal.open("a") as journal:
            journal.write(json.dumps({"at": time.time(), "kind": kind, "target": target, "pid": pid}) + "\n")
        self._rest(self._random.uniform(*GAP_SECONDS))

    def release_all(self) -> None:
        """Let every paused process go on."""
        for pause in self._paused:
            _continue(pause)
        self._paused.clear()

    def _await_target(self, kind: str) -> str:
        names = {"worker": WORKERS, "web": WEBS, "beat": BEATS}.get(kind.partition("_")[0], (kind,))
        deadline = time.monotonic() + TARGET_SECONDS
        while time.monotonic() < deadline:
            paused = {pause.worker for pause in self._paused}
            if up := [name for name in names if name not in paused and self._is_target(name)]:
                return self._random.choice(up)
            self._rest(TURN_SECONDS)
        raise Void(f"None of {', '.join(names)} came up within {TARGET_SECONDS} s.")

    def _is_target(self, name: str) -> bool:
        has_children = name not in WORKERS or bool(children_of(self.stack.children[name].pid))
        return has_children and self.stack.is_up(name)

    def _kill_child(self, worker: str) -> int:
        pid = self._random.choice(children_of(self.stack.children[worker].pid))
        identity = process_identity(pid)
        os.kill(pid, signal.SIGKILL)
        while identity and process_identity(pid) == identity:
            time.sleep(0.01)
        return pid

    def _pause(self, worker: str) -> int:
        """Stop a worker, or one process of it, for longer than a lease: its jobs come into other hands."""
        leader = self.stack.children[worker].pid
        children = children_of(leader)
        pids = self._random.choice(([self._random.choice(children)], [leader, *children]))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        self._paused.append(Pause(until=time.monotonic() + PAUSE_SECONDS, pids=pids, worker=worker))
        return pids[0]

    def _wipe(self, name: str) -> int:
        pid = self.stack.kill(name)
        self.stack.wipe_valkey()
        return pid

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            self.stack.tend()
            now = time.monotonic()
            for pause in [pause for pause in self._paused if pause.until <= now]:
                _continue(pause)
                self._paused.remove(pause)
            if now >= until:
                return
            time.sleep(TURN_SECONDS)


def _continue(pause: Pause) -> None:
    for pid in pause.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def count_hits(logs: Path, kills: int) -> dict[str, int]:
    """What the servers themselves say of crashes. Raises Void when they say too little for so many kills.

    The first start of Valkey writes the mark too, and is not counted.
    """
    hits = {
        "postgres_recoveries": _count(logs / "postgres.log", RECOVERY_MARK),
        "valkey_wipes": _count(logs / "valkey.log", WIPE_MARK) - 1,
    }
    needed = {
        "postgres_recoveries": math.ceil(kills * MIN_RECOVERIES),
        "valkey_wipes": math.ceil(kills * MIN_WIPES),
    }
    for name, count in hits.items():
        if count < needed[name]:
            raise Void(f"Only {count} {name}; {kills} kills need {needed[name]}.")
    return hits


def _count(log: Path, mark: str) -> int:
    return log.read_text(errors="replace").count(mark)
