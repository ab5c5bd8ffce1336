"""Calls are written to a file before the end of their answer is sent, and from there to the database.

Each process appends to a file of its own, which it holds locked; about every second it takes a new one. A
file that nobody holds, of a process that took a new one or died, is folded into the database by whoever sees
it first, as one batch in one transaction, and then removed. Nothing is lost when a process or the database
is killed, and nothing counts twice. What cannot be counted is put aside, and holds up nothing else.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from django.db import Error, InterfaceError, OperationalError, connections, transaction
from django.utils import timezone

from finetuning.ids import uuid7
from models_registry import usage
from models_registry.gateway.bodies import UNREADABLE
from models_registry.usage import CallRecord

logger = logging.getLogger(__name__)

SUFFIX = ".calls"
# Of a file that is not locked yet.
NEW_SUFFIX = ".new"
ASIDE = "aside"
FOLD_SECONDS = 1.0
ABANDONED_SECONDS = 3600.0
# Where the milliseconds of a UUID of version 7 stand.
UUID_VERSION = 7
TIME_SHIFT = 80
REASON_LENGTH = 200


def _private(path: str, flags: int) -> int:
    """What users said is in it."""
    return os.open(path, flags, 0o600)


class Journal:
    """The file that this process appends to, in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._lock = threading.Lock()
        self._file: FileIO | None = None

    def append(self, record: CallRecord) -> None:
        """Keep a call. After that it survives the death of this process. Raises OSError."""
        line = msgspec.json.encode(record) + b"\n"
        with self._lock:
            file = self._file or self._open()
            if file.write(line) != len(line):
                # What comes next must not be appended to half a line.
                self._close()
                raise OSError(f"{self.folder} is full")

    def _open(self) -> FileIO:
        path = self.folder / f"{uuid7()}{NEW_SUFFIX}"
        file = FileIO(path, "ab", opener=_private)
        # Nobody looks at it before it has its name, so nobody can hold it and make the calls wait.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rename(path.with_suffix(SUFFIX))
        self._file = file
        return file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def release(self) -> None:
        """Let the present file be folded; the next call opens another one."""
        with self._lock:
            self._close()


class Folder(threading.Thread):
    """Folds what is due, about every second, until it is stopped."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(name="gateway-usage", daemon=True)
        self._journal = journal
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(FOLD_SECONDS):
            self._fold()
        self._fold()

    def _fold(self) -> None:
        try:
            self._journal.release()
            fold_released(self._journal.folder)
        except (Error, OSError) as error:
            logger.warning("calls wait to be counted, the next round tries again: %s", error)
            connections.close_all()
        except Exception:
            logger.exception("calls wait to be counted")

    def stop(self) -> None:
        """Fold what is there once more and end."""
        self._stopping.set()
        self.join()


def fold_released(folder: Path) -> int:
    """Add every file in `folder` that no process appends to. Returns how many were new.

    Raises OperationalError or InterfaceError while the database is away.
    """
    _remove_abandoned(folder)
    try:
        return sum(map(_fold_alone, sorted(folder.glob(f"*{SUFFIX}"))))
    finally:
        connections.close_all()


def _remove_abandoned(folder: Path) -> None:
    """What processes left that died between making a file and naming it; no call is in it."""
    for path in folder.glob(f"*{NEW_SUFFIX}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def _fold_alone(path: Path) -> bool:
    """Whatever is wrong with this file, the others go on."""
    try:
        with _released(path) as content:
            return content is not None and _fold_file(path, content)
    except (OperationalError, InterfaceError):
        raise
    except (Error, OSError) as error:
        logger.warning("%a cannot be counted now and waits: %s", str(path), type(error).__name__)
        return False


@contextmanager
def _released(path: Path) -> Iterator[bytes | None]:
    """The content of a file that nobody else holds, held while it is folded; None for any other."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if os.fstat(file.fileno()).st_nlink else None


def _fold_file(path: Path, content: bytes) -> bool:
    # A process that was killed while it wrote half a line has sent no end of that answer.
    lines = content.split(b"\n")[:-1]
    reason = _reason_against(path)
    is_new = not reason and _fold_lines(path, lines)
    if reason:
        _put_file_aside(path, lines, reason=reason)
    with suppress(FileNotFoundError):
        path.unlink()
    return is_new


def _reason_against(path: Path) -> str:
    """Why nobody can say whether this file was counted; empty for all others."""
    try:
        batch_id = UUID(path.stem)
    except ValueError:
        batch_id = UUID(int=0)
    if batch_id.version != UUID_VERSION:
        return f"{path.name!a} has no name of ours"
    began = datetime.fromtimestamp((batch_id.int >> TIME_SHIFT) / 1000, UTC)
    is_old = timezone.now() - began > usage.COUNTED_FOR
    return f"{path.name} is older than {usage.COUNTED_FOR.days} days" if is_old else ""


@transaction.atomic
def _fold_lines(path: Path, lines: list[bytes]) -> bool:
    """What is put aside is written before the rest is committed, so that it is nowhere lost."""
    batch_id = UUID(path.stem)
    records, unread = _read(lines)
    unstored = usage.fold_batch(batch_id, records)
    if unstored is None:
        return False
    refused = [*unread, *map(msgspec.json.encode, unstored)]
    if refused:
        _put_aside(path.with_stem(str(usage.free_batch_id(batch_id))), refused)
        reason = f"{len(unread)} cannot be read, {len(unstored)} cannot be stored"
        usage.note_refused(batch_id, calls=len(refused), reason=reason)
    return True


def _read(lines: list[bytes]) -> tuple[list[CallRecord], list[bytes]]:
    """The calls, and the lines that are none."""
    records, unread = [], []
    for line in lines:
        try:
            records.append(msgspec.json.decode(line, type=CallRecord))
        except UNREADABLE:
            unread.append(line)
    return records, unread


def _put_file_aside(path: Path, lines: list[bytes], *, reason: str) -> None:
    _put_aside(path, lines)
    # Its name may be no UTF-8.
    note_id = uuid5(NAMESPACE_URL, ascii(path.name))
    usage.note_refused(note_id, calls=len(lines), reason=reason[:REASON_LENGTH])


def _put_aside(path: Path, lines: list[bytes]) -> None:
    """Keep lines of the file at `path` for somebody to look at. Doing it again changes nothing."""
    aside = path.parent / ASIDE / path.name
    aside.parent.mkdir(mode=0o700, exist_ok=True)
    part = aside.with_suffix(NEW_SUFFIX)
    with open(part, "wb", opener=_private) as file:
        file.write(b"".join(line + b"\n" for line in lines))
    part.replace(aside)
    logger.error("%d calls cannot be counted and are put aside in %a", len(lines), str(aside))
