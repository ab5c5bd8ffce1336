"""`manage.py up`: the whole product on one machine, in the foreground, until Ctrl-C."""

import argparse
import errno
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.folder import (
    RUN_FILE,
    only_user_of,
    prepare_folder,
    secret_key_file,
    socket_folder,
    write_run,
)
from finetuning.embedded.processes import Command
from finetuning.embedded.services import start_services
from finetuning.embedded.supervisor import Stopped, Supervisor, say

CODE = Path(__file__).resolve().parent.parent.parent
ADDRESS = "127.0.0.1"
SANDBOX_SPEED = 60
POLL_INTERVAL_SECONDS = 3


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where this copy of the product lives: its web port and its data folder."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://localhost:{self.port}"


def main(arguments: Sequence[str]) -> int:
    """Runs until a stop is asked for. Returns 0 after a proper stop, 1 when it cannot start."""
    options = _parse(arguments)
    os.umask(0o077)
    stop_asked = threading.Event()
    # SIGHUP: the terminal was closed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_asked.set())
    try:
        folder = prepare_folder(options.data)
        with only_user_of(folder), socket_folder(folder) as sockets:
            _run(Place(port=options.port, folder=folder), sockets, stop_asked)
    except StartRefused as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"The system refused: {error}")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="where the pages are served")
    parser.add_argument("--data", type=Path, default=Path(".data"), help="the folder for everything kept")
    return parser.parse_args(arguments)


def _fail(message: str) -> int:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - a command's error goes to the terminal
    return 1


def _run(place: Place, sockets: Path, stop_asked: threading.Event) -> None:
    say(f"Data         {place.folder}")
    supervisor = Supervisor(folder=place.folder, stop_asked=stop_asked)
    refuse_busy_port(place.port)
    try:
        _start_everything(place, supervisor, sockets)
        supervisor.watch()
    except Stopped:
        say("Stopped before everything was started.")
    finally:
        supervisor.stop()
        (place.folder / RUN_FILE).unlink(missing_ok=True)


def _start_everything(place: Place, supervisor: Supervisor, sockets: Path) -> None:
    urls = start_services(supervisor, sockets=sockets)
    sandbox_port = persistent_sandbox_port(place.folder)
    environment = child_environment(place.folder, sandbox_port) | urls
    sandbox = supervisor.launch(_sandbox_command(place.folder, sandbox_port, environment))
    sign_in = place.folder / "first-sign-in.json"
    began = time.monotonic()
    supervisor.run_to_end(_prepare_command(sign_in, environment))
    say(f"Tables       up to date in {time.monotonic() - began:.1f} s")
    supervisor.wait_for(sandbox, ready=lambda: answers(sandbox_port, "/"))
    say(f"Sandbox      {sandbox_url(sandbox_port)}, trains nothing, {SANDBOX_SPEED} times faster than real")
    write_run(place.folder, _description(place, environment, sandbox_port))
    _start_programs(place, supervisor, environment)
    _welcome(place, sign_in)


def _start_programs(place: Place, supervisor: Supervisor, environment: dict[str, str]) -> None:
    """The web server alone first: somebody waits for it, and what it accepts waits for the worker."""
    began = time.monotonic()
    web = supervisor.launch(_web_command(place.port, environment))
    supervisor.wait_for(web, ready=lambda: answers(place.port, "/healthz"))
    say(f"Web server   ready in {time.monotonic() - began:.1f} s")
    supervisor.launch(_celery_command("worker", environment, "--concurrency", "2", "--without-mingle"))
    supervisor.launch(_celery_command("beat", environment))
    say("Celery       worker and scheduler are starting")


def _description(place: Place, environment: dict[str, str], sandbox_port: int) -> dict[str, object]:
    ours = (
        "DATABASE_URL",
        "REDIS_URL",
        "MEDIA_ROOT",
        "SANDBOX_URL",
        "SECRET_KEY",
        "SECRET_KEY_FILE",
        "SERVED_OVER_HTTPS",
    )
    return {
        "pid": os.getpid(),
        "port": place.port,
        "url": place.url,
        "sandbox_url": sandbox_url(sandbox_port),
        "environment": {name: environment[name] for name in ours if name in environment},
    }


def _welcome(place: Place, sign_in: Path) -> None:
    say("")
    say(f"Open         {place.url}")
    if sign_in.exists():
        owner = json.loads(sign_in.read_text())
        say(f"Sign in      {owner['email']}   password: {owner['password']}   (shown only this once)")
        sign_in.unlink()
    else:
        say("Sign in      with the account that you have; the first one was shown at the first start")
    say(f"Logs         {place.folder / 'logs'}")
    say("Stop         Ctrl-C")


def child_environment(folder: Path, sandbox_port: int) -> dict[str, str]:
    """What settings read in the children: whatever is set here already wins over the defaults of a laptop."""
    defaults = {
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "static"),
        "GATEWAY_FOLDER": str(folder / "usage"),
        "SERVED_OVER_HTTPS": "false",
        "POLL_INTERVAL_SECONDS": str(POLL_INTERVAL_SECONDS),
        # On one machine a call answers at once or not at all, so what was cut short is taken up again soon.
        "PROVIDER_TIMEOUT_SECONDS": "10",
        "CREATE_SETTLE_SECONDS": "15",
        "SANDBOX_URL": sandbox_url(sandbox_port),
    }
    if "SECRET_KEY" not in os.environ:
        defaults["SECRET_KEY_FILE"] = str(secret_key_file(folder))
    return defaults | os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONUNBUFFERED": "1"}


def _prepare_command(sign_in: Path, environment: dict[str, str]) -> Command:
    argv = (sys.executable, "manage.py", "prepare", "--sign-in-file", str(sign_in))
    return Command(name="prepare", argv=argv, environment=environment, folder=CODE)


def _sandbox_command(folder: Path, port: int, environment: dict[str, str]) -> Command:
    argv = (
        *(sys.executable, "manage.py", "sandbox", "--port", str(port)),
        *("--data", str(folder / "sandbox"), "--speed", str(SANDBOX_SPEED)),
    )
    return Command(name="sandbox", argv=argv, environment=environment, folder=CODE)


def _web_command(port: int, environment: dict[str, str]) -> Command:
    argv = (
        *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
        *("--host", ADDRESS, "--port", str(port), "--lifespan", "on"),
        *("--no-access-log", "--no-proxy-headers", "--timeout-graceful-shutdown", "5"),
    )
    return Command(name="web", argv=argv, environment=environment, folder=CODE)


def _celery_command(name: str, environment: dict[str, str], *arguments: str) -> Command:
    argv = (sys.executable, "-m", "celery", "-A", "config", name, "--loglevel", "INFO", *arguments)
    return Command(name=name, argv=argv, environment=environment, folder=CODE)


def sandbox_url(port: int) -> str:
    """The sandbox's address; an OpenAI client is pointed at `/v1` below it."""
    return f"http://{ADDRESS}:{port}"


def persistent_sandbox_port(folder: Path) -> int:
    """The sandbox's port: the one of the last time when it is still free, so that its address stays."""
    path = folder / "sandbox" / "port"
    port = int(path.read_text()) if path.exists() else 0
    if not port or not port_is_free(port):
        with socket.create_server((ADDRESS, 0)) as free:
            port = free.getsockname()[1]
        path.write_text(str(port))
    return port


def port_is_free(port: int) -> bool:
    """False when another program listens on it. Raises StartRefused when this user may not use it at all."""
    with socket.socket() as probe:
        # As the web server does: a connection of the last run that still fades away is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            probe.listen()
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                return False
            raise StartRefused(
                f"Port {port} cannot be used ({error}). Choose from 1024 to 65535: make run PORT=8000"
            ) from error
    return True


def refuse_busy_port(port: int) -> None:
    """Raises StartRefused when the pages cannot be served there."""
    if not port_is_free(port):
        raise StartRefused(
            f"Port {port} is used by another program. Choose another: make run PORT={port + 1}"
        )


def answers(port: int, path: str) -> bool:
    """True when a server on this machine answers a request for `path` without a failure of its own."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
