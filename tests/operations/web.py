"""The web process as an operator starts it, and a caller of its API."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.waiting import wait_until

CODE = Path(__file__).resolve().parents[2]
SECRET_KEY = "used-by-tests-only-and-of-no-value-to-anybody-0123456789"


def run(environment, *arguments):
    subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=CODE,
        env=os.environ | environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def serving(environment):
    """A web process; yields its address."""
    port = free_port()
    argv = [
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--port",
        port,
        "--lifespan",
        "off",
        "--no-access-log",
    ]
    with subprocess.Popen(
        [sys.executable, *map(str, argv)], cwd=CODE, env=os.environ | environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)


def answers(port):
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def first_owner(environment, folder):
    """Bring the database up to date; the e-mail and password of its first owner."""
    file = folder / "sign-in.json"
    run(environment, "prepare", "--sign-in-file", file)
    return json.loads(file.read_text())


@dataclass(frozen=True)
class Caller:
    """Somebody with an access token of their own."""

    api: str
    access: str

    def request(self, method, path, **content):
        headers = {"Authorization": f"Bearer {self.access}"}
        return httpx2.request(method, f"{self.api}{path}", headers=headers, **content)


def sign_in(url, account):
    answer = httpx2.post(f"{url}/api/auth/token", json=account)
    return Caller(api=f"{url}/api/fine-tuning", access=answer.json()["access"])
