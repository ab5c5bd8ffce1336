"""The data folder: who uses it, its secrets, and where its sockets are."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetuning.embedded.errors import StartRefused

RUN_FILE = "run.json"


def prepare_folder(folder: Path) -> Path:
    """Makes the folder, readable by its owner only, and returns its full path. Raises StartRefused."""
    folder = folder.expanduser().resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "media", "sandbox", "static"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"The data folder {folder} cannot be used ({error.strerror}). Choose another: make run DATA=..."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartRefused(
            f"The data folder {folder} is not writable for you. Choose another: make run DATA=..."
        )
    return folder


@contextmanager
def only_user_of(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which the kernel drops when this process ends in any way.

    Raises StartRefused when another launcher holds it.
    """
    try:
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise StartRefused(
            f"{folder / 'lock'} cannot be opened ({error.strerror}). Start as the user who owns the folder, "
            "or choose another one: make run DATA=..."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartRefused(_already_running(folder)) from error
        yield


def _already_running(folder: Path) -> str:
    run = read_run(folder)
    where = f" at {run['url']} (process {run['pid']})" if run else ""
    return (
        f"A copy is already running on {folder}{where}. Stop it with Ctrl-C there, "
        "or start a second one on its own data: make run PORT=8001 DATA=.data2"
    )


def secret_key_file(folder: Path) -> Path:
    """The file with this installation's secret key, made at random the first time, for its owner only."""
    path = folder / "secret-key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(64))
    return path


def write_private(path: Path, text: str) -> None:
    """Writes the file whole or not at all, readable by its owner only."""
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def write_run(folder: Path, run: Mapping[str, object]) -> None:
    """Tells other commands what is running: `pid`, `port`, `url`, `sandbox_url` and `environment`."""
    write_private(folder / RUN_FILE, json.dumps(run, indent=2))


def running_environment(folder: Path) -> dict[str, str]:
    """The settings of the copy that runs on `folder`. Raises StartRefused when none does."""
    run = read_run(folder)
    if run is None or not _is_locked(folder):
        raise StartRefused(f"Nothing is running on {folder}. Start it in another terminal: make run")
    return {str(name): str(value) for name, value in run["environment"].items()}


def _is_locked(folder: Path) -> bool:
    try:
        with only_user_of(folder):
            return False
    except StartRefused:
        return True


def read_run(folder: Path) -> dict[str, Any] | None:
    """What `write_run` wrote, None when nothing was written or it was removed by a clean stop."""
    try:
        run: dict[str, Any] = json.loads((folder / RUN_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return run


@contextmanager
def socket_folder(folder: Path) -> Iterator[Path]:
    """A short-lived folder under /tmp for the sockets of `folder`, removed at the end.

    The path of a socket has at most 107 bytes (unix(7)), so it cannot lie in the data folder. Others may
    pass through but not list it, because PostgreSQL may run under another account than the launcher.
    Raises StartRefused when somebody else made it first.
    """
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    path = Path("/tmp") / f"attune-{os.geteuid()}-{name}"  # nosec B108 # noqa: S108 - ownership is checked below
    if path.is_symlink() or (path.exists() and path.stat().st_uid != os.geteuid()):
        raise StartRefused(f"{path} belongs to somebody else. Remove it, or use another data folder.")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
