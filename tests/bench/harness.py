"""A web server of its own, and a client that asks it from several connections at once."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

from tests.waiting import wait_until

ADDRESS = "127.0.0.1"
CONNECTIONS = 4


@dataclass(kw_only=True)
class Target:
    """One request that is measured, and how long each answer took in seconds."""

    name: str
    method: str
    path: str
    token: str
    body: str | None = None
    status: int = 200
    seconds: list[float] = field(default_factory=list)
    busy: float = 0

    @property
    def per_second(self) -> float:
        """Answers per second over all connections."""
        return len(self.seconds) / self.busy

    def percentile(self, percent: int) -> float:
        """Milliseconds within which so many of 100 answers came."""
        return 1000 * quantiles(self.seconds, n=100)[percent - 1]

    def ask(self, connection: http.client.HTTPConnection) -> bytes:
        """One answer; another status than the target's ends the run."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(self.method, self.path, body=self.body, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != self.status:
            raise SystemExit(f"{self.name}: {answer.status} {body[:500]!r}")
        return body


@contextmanager
def web_server() -> Iterator[int]:
    """One uvicorn process with the settings of this environment; its port."""
    with socket.create_server((ADDRESS, 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", ADDRESS]
    command += ["--port", str(port), "--lifespan", "off", "--no-access-log", "--log-level", "warning"]
    with subprocess.Popen(command, env=os.environ) as server:
        try:
            wait_until(lambda: listens(port, server))
            yield port
        finally:
            server.terminate()


def listens(port: int, server: "subprocess.Popen[bytes]") -> bool:
    """Whether the server takes connections already. Ends the run when it has died."""
    if server.poll() is not None:
        raise SystemExit("The server did not start.")
    try:
        socket.create_connection((ADDRESS, port), timeout=1).close()
    except OSError:
        return False
    return True


def measure(targets: list[Target], port: int, *, rounds: int, requests: int) -> None:
    """Ask each target `requests` times in each round, one target after the other, after a warm-up.

    They take turns, so that a busy moment of the machine meets all of them.
    """
    connections = [http.client.HTTPConnection(ADDRESS, port, timeout=60) for _ in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in range(rounds + 1):
            for target in targets:
                _ask_many(target, connections, pool, requests if number else max(20, requests // 4))
                if number == 0:
                    target.seconds, target.busy = [], 0
    for connection in connections:
        connection.close()


def _ask_many(
    target: Target, connections: list[http.client.HTTPConnection], pool: ThreadPoolExecutor, requests: int
) -> None:
    def ask(connection: http.client.HTTPConnection) -> None:
        for _ in range(requests // len(connections)):
            began = time.perf_counter()
            target.ask(connection)
            target.seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    list(pool.map(ask, connections))
    target.busy += time.perf_counter() - began


def print_table(targets: list[Target]) -> None:
    print(f"{'':<28}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for target in targets:
        p50, p99 = target.percentile(50), target.percentile(99)
        print(f"{target.name:<28}{target.per_second:>12.1f}{p50:>10.2f}{p99:>10.2f}")


def print_json(figures: dict[str, object]) -> None:
    """As the last line, for programs."""
    print(json.dumps(figures))


def timed(what: str, act: Callable[[], object]) -> None:
    """Do it, and say how long it took."""
    began = time.perf_counter()
    act()
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)
