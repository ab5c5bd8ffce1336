"""The launcher's parts, each with real processes, sockets and servers."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import redis

from finetuning.embedded import folder, processes, services, valkey
from finetuning.embedded.errors import StartRefused
from finetuning.embedded.processes import Command
from finetuning.embedded.supervisor import Stopped, Supervisor

CODE = Path(__file__).resolve().parents[2]


class Terminal:
    """Collects what is said, and asks for a stop as soon as `until` is."""

    def __init__(self, until="\0"):
        self.lines = []
        self.until = until
        self.stop_asked = threading.Event()

    def say(self, line):
        self.lines.append(line)
        if self.until in line:
            self.stop_asked.set()

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def supervisor(tmp_path, terminal):
    supervisor = Supervisor(folder=tmp_path, stop_asked=terminal.stop_asked, say=terminal.say)
    yield supervisor
    supervisor.stop()


@pytest.fixture
def no_urls(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


def program(code, *, name="program", folder="/"):
    argv = (sys.executable, "-u", "-c", code)
    return Command(name=name, argv=argv, environment=dict(os.environ), folder=Path(folder))


def wait_for_line(supervisor, child, text):
    supervisor.wait_for(child, ready=lambda: any(text in line for line in child.last_lines()))


def end_of(pid):
    """Something to poll until that process, which is not our child, has ended."""
    ended = select.poll()
    ended.register(os.pidfd_open(pid), select.POLLIN)
    return ended


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="pidfd and PR_SET_PDEATHSIG are Linux's")


# Children


def test_shows_the_end_of_the_log_of_a_program_that_fails(supervisor):
    command = program("print('the disk is on fire'); raise SystemExit(3)")

    with pytest.raises(StartRefused) as refused:
        supervisor.run_to_end(command)

    assert "ended with code 3" in str(refused.value)
    assert "the disk is on fire" in str(refused.value)


def test_does_not_wait_for_a_program_that_died(supervisor):
    child = supervisor.launch(program("raise SystemExit(1)"))

    with pytest.raises(StartRefused, match="ended with code 1"):
        supervisor.wait_for(child, ready=lambda: False)


def test_gives_up_waiting_when_a_stop_is_asked_for(supervisor, terminal):
    child = supervisor.launch(program("import time; time.sleep(600)"))
    terminal.stop_asked.set()

    with pytest.raises(Stopped):
        supervisor.wait_for(child, ready=lambda: False)


def test_starts_a_killed_program_again(supervisor, terminal):
    terminal.until = "program started again"
    child = supervisor.launch(program("import time; time.sleep(600)"))
    os.kill(child.pid, signal.SIGKILL)

    supervisor.watch()

    assert "program ended with code -9; starting it again" in terminal.text
    assert processes.process_identity(child.pid) is None


def test_shows_lines_that_report_a_problem_and_no_others(supervisor, terminal):
    terminal.until = "boom"
    supervisor.launch(program("print('all is well'); print('x ERROR boom'); import time; time.sleep(600)"))

    supervisor.watch()

    assert terminal.lines == ["program: x ERROR boom"]


def test_stops_the_last_program_first(supervisor, tmp_path):
    order = tmp_path / "order"
    for name in ("first", "second"):
        code = (
            "import signal, sys\n"
            f"def end(*_): open({str(order)!r}, 'a').write('{name} '); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end); print('ready'); signal.pause()"
        )
        wait_for_line(supervisor, supervisor.launch(program(code, name=name)), "ready")

    supervisor.stop()

    assert order.read_text() == "second first "


@linux_only
def test_leaves_no_grandchild_behind(supervisor):
    code = (
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, 'ready')\n"
        "import time; time.sleep(600)"
    )
    child = supervisor.launch(program(code))
    wait_for_line(supervisor, child, "ready")
    grandchild_ended = end_of(int(child.last_lines()[0].split()[0]))

    supervisor.stop()

    assert grandchild_ended.poll(30_000) != []


def test_ends_what_a_killed_launcher_left_running(supervisor, tmp_path, terminal):
    child = supervisor.launch(program("import time; time.sleep(600)"))

    Supervisor(folder=tmp_path, stop_asked=terminal.stop_asked, say=terminal.say)

    assert child.exit_code == -signal.SIGTERM
    assert not (tmp_path / "children.json").exists()


def test_leaves_a_stranger_with_the_number_of_a_former_child_alone(tmp_path, terminal):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record = [{"pid": stranger.pid, "identity": "long ago", "stop_signal": signal.SIGTERM}]
        (tmp_path / "children.json").write_text(json.dumps(record))

        Supervisor(folder=tmp_path, stop_asked=terminal.stop_asked, say=terminal.say)
        stranger.communicate(b"\n")

    assert stranger.returncode == 0


@linux_only
def test_children_end_with_a_launcher_that_is_killed(tmp_path):
    code = f"""
import pathlib, threading, signal, sys
from finetuning.embedded.processes import Command
from finetuning.embedded.supervisor import Supervisor
supervisor = Supervisor(folder=pathlib.Path({str(tmp_path)!r}), stop_asked=threading.Event())
argv = (sys.executable, "-c", "import signal; signal.pause()")
print(supervisor.launch(Command(name="child", argv=argv, environment={{}}, folder=pathlib.Path("/"))).pid, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=CODE) as launcher:
        child = int(launcher.stdout.readline())
        child_ended = end_of(child)

        launcher.kill()

    assert child_ended.poll(30_000) != []


# The data folder


def test_refuses_a_second_copy_and_says_where_the_first_is(tmp_path):
    folder.write_run(tmp_path, {"pid": 4711, "url": "http://localhost:8000"})

    with folder.only_user_of(tmp_path), pytest.raises(StartRefused) as refused, folder.only_user_of(tmp_path):
        pass

    assert "http://localhost:8000 (process 4711)" in str(refused.value)


def test_the_folder_is_free_again_after_the_first_copy_ended(tmp_path):
    with folder.only_user_of(tmp_path):
        pass

    with folder.only_user_of(tmp_path) as entered:
        assert entered is None


def test_refuses_a_data_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("")

    with pytest.raises(StartRefused, match="make run DATA="):
        folder.prepare_folder(tmp_path / "data")


def test_gives_no_settings_of_a_copy_that_was_killed(tmp_path):
    folder.write_run(tmp_path, {"environment": {"DATABASE_URL": "postgres://gone"}})

    with pytest.raises(StartRefused, match="make run"):
        folder.running_environment(tmp_path)


def test_gives_the_settings_of_the_copy_that_runs(tmp_path):
    folder.write_run(tmp_path, {"pid": 1, "url": "", "environment": {"DATABASE_URL": "postgres://here"}})
    code = "import os; print(os.environ['DATABASE_URL'])"

    with folder.only_user_of(tmp_path):
        ended = run_with_servers("--running", str(tmp_path), "--", sys.executable, "-c", code)

    assert ended.stdout == "postgres://here\n"


def test_keeps_one_secret_key_for_its_owner_only(tmp_path):
    path = folder.secret_key_file(tmp_path)
    key = path.read_text()

    assert folder.secret_key_file(tmp_path).read_text() == key
    assert len(key) >= 50
    assert path.stat().st_mode & 0o777 == 0o600


def test_removes_the_sockets_of_a_copy_that_was_killed(tmp_path):
    with folder.socket_folder(tmp_path) as sockets:
        (sockets / "stale").write_text("")

        with folder.socket_folder(tmp_path) as again:
            assert again == sockets
            assert list(again.iterdir()) == []

    assert not sockets.exists()


def test_refuses_a_socket_folder_that_somebody_else_prepared(tmp_path):
    with folder.socket_folder(tmp_path) as sockets:
        pass
    sockets.symlink_to(tmp_path)

    with pytest.raises(StartRefused, match="belongs to somebody else"), folder.socket_folder(tmp_path):
        pass

    sockets.unlink()


# The two servers


def test_keeps_rows_and_queued_messages_when_everything_is_killed(tmp_path, terminal, no_urls):
    data = tmp_path / "a folder with späces"
    data.mkdir()
    for turn in range(2):
        supervisor = Supervisor(folder=data, stop_asked=terminal.stop_asked, say=terminal.say)
        with folder.socket_folder(data) as sockets:
            urls = services.start_services(supervisor, sockets=sockets)
            queue = redis.Redis.from_url(urls["REDIS_URL"])
            with psycopg.connect(urls["DATABASE_URL"], autocommit=True) as database:
                if turn == 0:
                    database.execute("CREATE TABLE kept AS SELECT 42 AS number")
                    queue.rpush("kept", "message")
                    queue.execute_command("WAITAOF", 1, 0, 0)
                else:
                    assert database.execute("SELECT number FROM kept").fetchone() == (42,)
                    assert queue.lrange("kept", 0, -1) == [b"message"]
            queue.close()
            for child in json.loads((data / "children.json").read_text()):
                os.kill(child["pid"], signal.SIGKILL)
            supervisor.stop()


def test_starts_nothing_of_its_own_when_addresses_are_given(supervisor, tmp_path, monkeypatch, no_urls):
    with folder.socket_folder(tmp_path) as sockets:
        given = services.start_throwaway_services(supervisor, sockets=sockets)
        for name, url in given.items():
            monkeypatch.setenv(name, url)
        second = Supervisor(
            folder=folder.prepare_folder(tmp_path / "second"),
            stop_asked=supervisor.stop_asked,
            say=supervisor.say,
        )

        urls = services.start_services(second, sockets=sockets)

    assert urls == given
    assert list((second.folder / "logs").iterdir()) == []


def test_names_an_unreachable_database_without_its_password():
    with pytest.raises(StartRefused) as refused:
        services.check_database("postgres://ada:secret@127.0.0.1:1/attune")

    assert "DATABASE_URL (postgres://ada:***@127.0.0.1:1/attune) does not answer" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1/0", "not an address"])
def test_names_an_unreachable_broker_without_its_password(url):
    with pytest.raises(StartRefused) as refused:
        services.check_broker(url)

    assert "REDIS_URL" in str(refused.value)
    assert "unset it" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_refuses_the_data_of_another_postgresql(supervisor, tmp_path, no_urls):
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("13\n")

    with folder.socket_folder(tmp_path) as sockets, pytest.raises(StartRefused) as refused:
        services.start_services(supervisor, sockets=sockets)

    assert "belong to PostgreSQL 13" in str(refused.value)
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_begins_anew_when_the_first_start_was_killed_halfway(supervisor, tmp_path, no_urls):
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)

    with folder.socket_folder(tmp_path) as sockets:
        urls = services.start_throwaway_services(supervisor, sockets=sockets)
        with psycopg.connect(urls["DATABASE_URL"]) as database:
            locale = database.execute("SELECT datlocale FROM pg_database WHERE datname = 'attune'").fetchone()

    assert locale == ("C.UTF-8",)


def test_says_what_to_install_where_there_is_no_valkey(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(StartRefused, match="apt install redis-server"):
        valkey.find_program()


def test_a_socket_that_nobody_serves_does_not_answer(tmp_path):
    with socket.socket(socket.AF_UNIX) as forgotten:
        forgotten.bind(str(tmp_path / "s"))

    assert not valkey.answers(tmp_path / "s")


# One command with servers of its own


def run_with_servers(*command, **environment):
    argv = [sys.executable, "-m", "finetuning.embedded", *command]
    return subprocess.run(
        argv, cwd=CODE, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_gives_a_command_servers_of_its_own_and_passes_its_exit_code_on(no_urls):
    code = (
        "import os, psycopg, redis\n"
        "print('version', psycopg.connect(os.environ['DATABASE_URL']).info.server_version)\n"
        "print('ping', redis.Redis.from_url(os.environ['REDIS_URL']).ping())\n"
        "raise SystemExit(7)"
    )

    ended = run_with_servers("--", sys.executable, "-c", code)

    assert ended.returncode == 7
    assert "ping True" in ended.stdout
    assert "version 18" in ended.stdout


def test_does_not_run_the_command_without_a_database():
    ended = run_with_servers("--", "echo", "ran", DATABASE_URL="postgres://127.0.0.1:1/none")

    assert ended.returncode == 1
    assert "ran" not in ended.stdout
    assert "DATABASE_URL (postgres://127.0.0.1:1/none) does not answer" in ended.stderr


def test_shows_its_usage_when_no_command_is_given():
    ended = run_with_servers()

    assert ended.returncode == 2
    assert "usage: python -m finetuning.embedded [--running DATA] -- COMMAND" in ended.stderr
