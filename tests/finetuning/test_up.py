"""`manage.py up`: the whole product in one process tree."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from finetuning.embedded import launcher
from finetuning.embedded.errors import StartRefused

CODE = Path(__file__).resolve().parents[2]


@contextmanager
def started(data, port):
    """A running copy, and what it said until it was ready."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_KEY"))}
    argv = [sys.executable, "manage.py", "up", "--port", str(port), "--data", str(data)]
    with subprocess.Popen(
        argv, cwd=CODE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as copy:
        said = []
        for line in copy.stdout:
            said.append(line)
            if line.startswith("Stop "):
                break
        try:
            yield copy, "".join(said)
        finally:
            copy.terminate()
            copy.communicate()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def status_of(port, path):
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def up(*arguments, **environment):
    argv = [sys.executable, "manage.py", "up", *map(str, arguments)]
    return subprocess.run(argv, cwd=CODE, env=os.environ | environment, text=True, capture_output=True)


def test_starts_everything_and_keeps_the_data_for_the_next_start(tmp_path):
    data, port = tmp_path / "my dätä", free_port()

    with started(data, port) as (copy, said):
        assert re.search(r"Sign in +owner@example.com +password: \S{12,}", said), said
        assert status_of(port, "/healthz") == 200
        second = up("--port", free_port(), "--data", data)
        assert f"A copy is already running on {data} at http://localhost:{port}" in second.stderr
        copy.send_signal(signal.SIGINT)
        assert copy.wait() == 0
    left = {path.name for path in data.iterdir()}

    with started(data, port) as (copy, said):
        assert "Sign in      with the account that you have" in said
        copy.send_signal(signal.SIGHUP)
        assert copy.wait() == 0
    assert left.isdisjoint({"run.json", "children.json", "first-sign-in.json"})
    assert (data / "secret-key").stat().st_mode & 0o777 == 0o600


def test_starts_again_at_once_after_it_was_killed(tmp_path):
    port = free_port()
    with started(tmp_path, port) as (copy, _):
        children = json.loads((tmp_path / "children.json").read_text())
        copy.kill()

    with started(tmp_path, port) as (_, said):
        again = json.loads((tmp_path / "children.json").read_text())

        assert f"Open         http://localhost:{port}" in said
        assert status_of(port, "/healthz") == 200
        assert {child["pid"] for child in children}.isdisjoint(child["pid"] for child in again)


def test_refuses_a_busy_port_before_it_starts_anything(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        refused = up("--port", port, "--data", tmp_path)

    assert refused.returncode == 1
    assert (
        f"Port {port} is used by another program. Choose another: make run PORT={port + 1}" in refused.stderr
    )
    assert not (tmp_path / "postgres").exists()


def test_refuses_an_unreachable_database_in_one_line(tmp_path):
    address = "postgres://ada:secret@127.0.0.1:1/attune"

    refused = up("--port", free_port(), "--data", tmp_path, DATABASE_URL=address)

    assert refused.returncode == 1
    assert refused.stderr.startswith("DATABASE_URL (postgres://ada:***@127.0.0.1:1/attune) does not answer")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("port", [65536, 99999, -1])
def test_refuses_a_port_that_does_not_exist(port):
    with pytest.raises(StartRefused, match="make run PORT=8000"):
        launcher.refuse_busy_port(port)


def test_the_sandbox_keeps_its_port(tmp_path):
    (tmp_path / "sandbox").mkdir()

    first = launcher.persistent_sandbox_port(tmp_path)

    assert launcher.persistent_sandbox_port(tmp_path) == first


def test_the_sandbox_moves_when_its_port_is_taken(tmp_path):
    (tmp_path / "sandbox").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "sandbox" / "port").write_text(str(taken.getsockname()[1]))

        port = launcher.persistent_sandbox_port(tmp_path)

        assert port != taken.getsockname()[1]
    assert (tmp_path / "sandbox" / "port").read_text() == str(port)


def test_what_is_set_already_wins_over_the_defaults(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "mine")
    monkeypatch.setenv("POLL_INTERVAL_SECONDS", "60")
    monkeypatch.setenv("MEDIA_ROOT", "/srv/media")

    environment = launcher.child_environment(tmp_path, 8999)

    assert environment["POLL_INTERVAL_SECONDS"] == "60"
    assert environment["MEDIA_ROOT"] == "/srv/media"
    assert "SECRET_KEY_FILE" not in environment
    assert environment["SANDBOX_URL"] == "http://127.0.0.1:8999"


def test_a_server_that_fails_is_not_ready(tmp_path):
    assert not launcher.answers(free_port(), "/healthz")
