"""Backups: the database and the stored files, as they were at one moment, in one folder.

The rows are dumped first and the files that they name are copied then, for a stored file never changes and
stays as long as a row names it. `manifest.json` is written last: a folder without it is no backup. A restore
goes the other way round, files first; whatever stops it leaves an empty database, and it can be run again.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import psycopg
from django.apps import apps
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models import FileField
from psycopg import sql
from psycopg.conninfo import make_conninfo

from finetuning.database import new_session
from finetuning.embedded.postgres import program_folders
from finetuning.errors import Conflict, Invalid

MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files"
VERSION = 1
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# The dump empties the search path. No database has this place, so the restored one is in quarantine.
END_OF_RESTORE = b"""
UPDATE public.installation SET place = '';
COMMIT;
ANALYZE;
"""


class ProgramsMissing(Conflict):
    code = "postgresql_programs_missing"


class BackupNotPossible(Conflict):
    code = "backup_not_possible"


class NoBackup(Invalid):
    code = "no_backup"


class RestoreRefused(Conflict):
    code = "restore_refused"


def back_up(folder: Path) -> dict[str, Any]:
    """Write a backup into the new `folder`, readable by its owner only; returns its manifest.

    `missing` of the manifest names files that the storage no longer has. Raises BackupNotPossible,
    ProgramsMissing.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BackupNotPossible(f"{folder} cannot be made ({error.strerror}). Name a new folder.") from error
    with closing(new_session()) as session:
        rows, names = _dump(session, folder / DUMP)
    files, missing = _copy_files(names, folder / FILES)
    database = {"sha256": _digest_of(folder / DUMP), "rows": rows}
    manifest = {"version": VERSION, "database": database, "files": files, "missing": missing}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return manifest


def _dump(session: psycopg.Connection, dump: Path) -> tuple[dict[str, int], list[str]]:
    """Dump the database; how many rows each table has, and the files that they name, by the same snapshot."""
    program = _program("pg_dump", session)
    session.execute("SET idle_in_transaction_session_timeout = 0")
    session.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    snapshot = _one(session, sql.SQL("SELECT pg_export_snapshot()"))
    counted = _counted_rows(session)
    names = sorted({name for column in _file_columns() for (name,) in session.execute(column)})
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={dump}")
    done = subprocess.run(  # nosec B603 # noqa: S603 - a program that we found
        [program, *options, _address(session)],
        env=_environment(session),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupNotPossible(f"pg_dump failed: {done.stderr.strip()}")
    dump.chmod(0o600)
    return counted, names


def _counted_rows(session: psycopg.Connection) -> dict[str, int]:
    count = sql.SQL("SELECT count(*) FROM public.{}")
    tables = [str(name) for (name,) in session.execute(TABLES)]
    return {table: int(_one(session, count.format(sql.Identifier(table)))) for table in tables}


def _one(session: psycopg.Connection, statement: sql.SQL | sql.Composed) -> Any:
    row = session.execute(statement).fetchone()
    return row[0] if row else None


def _file_columns() -> Iterator[sql.Composed]:
    select = sql.SQL("SELECT {column} FROM public.{table} WHERE {column} <> ''")
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, FileField):
                table = sql.Identifier(model._meta.db_table)
                yield select.format(column=sql.Identifier(field.get_attname()), table=table)


def _copy_files(names: list[str], folder: Path) -> tuple[dict[str, str], list[str]]:
    """Copy out of the storage; the SHA-256 of each file by its name, and the names that it does not have."""
    folder.mkdir(mode=0o700)
    digests, missing = {}, []
    for name in names:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            with default_storage.open(name) as stored, copy.open("xb") as target:
                digests[name] = _copy(stored, target)
        except FileNotFoundError:
            missing.append(name)
    return digests, missing


def _copy(source: "File[bytes]", target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for block in source.chunks():
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def restore(folder: Path) -> dict[str, Any]:
    """Bring the backup in `folder` into an empty database and the storage; returns its manifest.

    The database is in quarantine until `manage.py confirm_installation`. Raises NoBackup when the folder is
    none or is damaged, RestoreRefused when the database has tables or PostgreSQL refuses, ProgramsMissing.
    """
    manifest = _read_manifest(folder)
    with closing(new_session()) as session:
        if tables := [str(name) for (name,) in session.execute(TABLES)]:
            found = f"{len(tables)} tables, {tables[0]} among them"
            raise RestoreRefused(f"The database has {found}. Restore into an empty one; nothing was changed.")
        _check_dump(folder / DUMP, manifest)
        for name, digest in manifest["files"].items():
            _restore_file(folder / FILES / name, name, digest)
        _load(session, folder / DUMP)
        if (counted := _counted_rows(session)) != manifest["database"]["rows"]:
            raise RestoreRefused(f"The database has other rows than were backed up: {counted}.")
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise NoBackup(f"{folder} is no backup, or one that was broken off: {error}.") from error
    if manifest.get("version") != VERSION:
        raise NoBackup(f"{folder} was made by another version of Attune; restore it with that one.")
    return manifest


def _check_dump(dump: Path, manifest: Mapping[str, Any]) -> None:
    if not dump.exists() or _digest_of(dump) != manifest["database"]["sha256"]:
        raise NoBackup(f"{dump} is not what was backed up.")


def _restore_file(copy: Path, name: str, digest: str) -> None:
    """Store one file under its name, unless an earlier try has done so. Raises NoBackup, RestoreRefused."""
    if not copy.exists() or _digest_of(copy) != digest:
        raise NoBackup(f"{copy} is not what was backed up.")
    if not default_storage.exists(name):
        with copy.open("rb") as content:
            default_storage.save(name, File(content))
    with default_storage.open(name) as stored:
        if hashlib.file_digest(stored, "sha256").hexdigest() != digest:
            raise RestoreRefused(f"The storage has another file under the name {name}.")


def _load(session: psycopg.Connection, dump: Path) -> None:
    """Play the dump in one transaction, which only the last line commits: half a dump changes nothing."""
    options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-")
    with TemporaryFile() as errors:
        psql = subprocess.Popen(  # nosec B603 # noqa: S603 - a program that we found
            [_program("psql", session), *options, _address(session)],
            env=_environment(session),
            stdin=subprocess.PIPE,
            stderr=errors,
        )
        read = subprocess.Popen(  # nosec B603 # noqa: S603 - likewise
            [_program("pg_restore", session), "--no-owner", "--no-privileges", "--file=-", str(dump)],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        if not (_fed(read, psql) and psql.returncode == 0):
            errors.seek(0)
            raise RestoreRefused(f"PostgreSQL refused the dump: {errors.read().decode().strip()}")


def _fed(read: subprocess.Popen[bytes], psql: subprocess.Popen[bytes]) -> bool:
    """Whether psql took everything that `read` has written, whole. Both have ended afterwards."""
    assert read.stdout is not None
    assert psql.stdin is not None
    try:
        with read, psql:
            psql.stdin.write(b"BEGIN;\n")
            shutil.copyfileobj(read.stdout, psql.stdin)
            if whole := read.wait() == 0:
                psql.stdin.write(END_OF_RESTORE)
    except BrokenPipeError:
        return False
    return whole


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _program(name: str, session: psycopg.Connection) -> str:
    """PostgreSQL's program `name`, not older than the server. Raises ProgramsMissing."""
    needed = session.info.server_version // 10_000
    for folder in program_folders(name):
        if (_major(folder / name) or 0) >= needed:
            return str(folder / name)
    raise ProgramsMissing(f"Install the client programs of PostgreSQL {needed} or newer: {name} is missing.")


def _major(program: Path) -> int | None:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # nosec B603 # noqa: S603 - likewise
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


def _address(session: psycopg.Connection) -> str:
    """For `--dbname`, without the password, which everybody on this machine could read there."""
    return make_conninfo(**session.info.get_parameters())


def _environment(session: psycopg.Connection) -> dict[str, str]:
    return os.environ | {"PGPASSWORD": session.info.password}
