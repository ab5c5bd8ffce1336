"""Calls are written to a file before the end of their answer is sent, and from there to the database.

Each process appends to a file of its own, which it holds locked; about every second it takes a new one. A
file that nobody holds, of a process that took a new one or died, is folded into the database by whoever sees
it first, as one batch in one transaction, and then removed. Nothing is lost when a process or the database
is killed, and nothing counts twice.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from uuid import UUID

import msgspec
from django.db import DataError, Error, IntegrityError, connections

from finetuning.ids import uuid7
from models_registry import usage
from models_registry.usage import CallRecord

logger = logging.getLogger(__name__)

SUFFIX = ".calls"
FOLD_SECONDS = 1.0


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
        while True:
            file = FileIO(self.folder / f"{uuid7()}{SUFFIX}", "ab")
            fcntl.flock(file, fcntl.LOCK_EX)
            # Somebody may have found and removed it before it was locked.
            if os.fstat(file.fileno()).st_nlink:
                self._file = file
                return file
            file.close()

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
    """Add every file in `folder` that no process appends to. Returns how many were new."""
    folded = 0
    try:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            with _released(path) as content:
                if content is not None:
                    folded += _fold_file(path, content)
    finally:
        connections.close_all()
    return folded


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
    batch_id = UUID(path.name.removesuffix(SUFFIX))
    try:
        is_new = usage.fold_batch(batch_id, list(_records(path, content)))
    except (DataError, IntegrityError):
        # It stays for somebody to look at, and holds up no other file.
        logger.exception("%s cannot be counted", path)
        return False
    with suppress(FileNotFoundError):
        path.unlink()
    usage.forget_batch(batch_id)
    return is_new


def _records(path: Path, content: bytes) -> Iterator[CallRecord]:
    """The complete lines. A process that was killed while it wrote has sent no end of that answer."""
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        try:
            yield msgspec.json.decode(line, type=CallRecord)
        except msgspec.MsgspecError:
            logger.exception("a line of %s cannot be read and is left out: %r", path, line)
