"""The sandbox's memory: one SQLite file in WAL mode, and the bytes of files beside it."""

import hashlib
import secrets
import sqlite3
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

ALPHABET = string.ascii_letters + string.digits
Order = Literal["asc", "desc"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL, expires_at REAL);
CREATE TABLE IF NOT EXISTS analyses (file_id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    expires_at REAL NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL,
    file_expires_after INTEGER, status TEXT NOT NULL, file_id TEXT);
CREATE TABLE IF NOT EXISTS parts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, upload_id TEXT NOT NULL,
    created_at REAL NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    request BLOB NOT NULL, base TEXT NOT NULL, metadata TEXT, seed INTEGER NOT NULL, speed REAL NOT NULL,
    plan BLOB, pauses TEXT NOT NULL DEFAULT '[]', outcome TEXT, ended_at REAL, due_at REAL,
    cancels INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due_at) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    base TEXT NOT NULL, training_file TEXT NOT NULL, step INTEGER);
CREATE TABLE IF NOT EXISTS permissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    model TEXT NOT NULL, project_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS completions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
    metadata TEXT NOT NULL, body BLOB NOT NULL, messages BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS webhook_endpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    updated_at REAL NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL, event_types TEXT NOT NULL,
    secret TEXT NOT NULL, old_secret TEXT, old_secret_until REAL);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, endpoint_id TEXT NOT NULL,
    created_at REAL NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at REAL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_at);
CREATE TABLE IF NOT EXISTS faults (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, fitted INTEGER NOT NULL DEFAULT 0,
    struck INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS put_off (delivery_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS late (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, due_at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    content_type TEXT NOT NULL, body BLOB NOT NULL);
"""


class Store:
    """Opens a connection for each use, so that any thread of any server may call it.

    Names of tables are written in the code that calls, never taken from a request.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.incoming = data_dir / "incoming"
        for name in ("files", "parts", "training", "incoming"):
            (data_dir / name).mkdir(parents=True, exist_ok=True)
        for leftover in self.incoming.iterdir():
            leftover.unlink()
        with self._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)

    def file_path(self, file_id: str) -> Path:
        """Return where the bytes of a file lie."""
        return self.data_dir / "files" / file_id

    def part_path(self, part_id: str) -> Path:
        """Return where the bytes of an upload part lie."""
        return self.data_dir / "parts" / part_id

    def training_path(self, file_id: str) -> Path:
        """Return the copy of a file that jobs and models keep when the file itself is deleted."""
        return self.data_dir / "training" / file_id

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for reading; each statement sees the newest committed state."""
        with self._connection() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside one write transaction; an exception rolls it back."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def row(self, table: str, object_id: str) -> sqlite3.Row | None:
        """Return one row by its public id."""
        with self.read() as db:
            sql = f"SELECT * FROM {table} WHERE id = ?"  # nosec B608 # noqa: S608 - our own names
            found: sqlite3.Row | None = db.execute(sql, [object_id]).fetchone()
            return found

    def page(
        self,
        table: str,
        *,
        conditions: Sequence[tuple[str, Sequence[object]]] = (),
        order: Order,
        after: str | None,
        limit: int,
    ) -> tuple[list[sqlite3.Row], bool]:
        """Return at most ``limit`` rows after the row with id ``after``, and whether more follow.

        ``conditions`` are SQL fragments with their values. An unknown ``after`` gives an empty page.
        """
        where = [sql for sql, _ in conditions] or ["1"]
        values = [value for _, given in conditions for value in given]
        if after is not None:
            where.append(f"seq {'>' if order == 'asc' else '<'} (SELECT seq FROM {table} WHERE id = ?)")  # nosec B608 # noqa: S608 - our own names
            values.append(after)
        sql = f"SELECT * FROM {table} WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"  # nosec B608 # noqa: S608 - our own names
        with self.read() as db:
            rows = db.execute(sql, [*values, limit + 1]).fetchall()
        return rows[:limit], len(rows) > limit

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.data_dir / "sandbox.sqlite3", isolation_level=None, timeout=30)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = NORMAL")
        try:
            yield db
        finally:
            db.close()


def metadata_conditions(wanted: dict[str, str]) -> list[tuple[str, Sequence[object]]]:
    """Return page conditions for rows whose ``metadata`` has all these pairs."""
    sql = "EXISTS (SELECT 1 FROM json_each(metadata) AS pair WHERE pair.key = ? AND pair.value = ?)"
    return [(sql, [key, value]) for key, value in wanted.items()]


def new_id(prefix: str, length: int = 24) -> str:
    """Return a fresh public id; not from the seed, for a second sandbox must not repeat a first one's ids."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def derived_id(prefix: str, length: int, *parts: object) -> str:
    """Return the same id for the same parts, so that computed objects keep their id from read to read."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()
    return prefix + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:length])
