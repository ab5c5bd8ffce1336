"""Parquet: what a row holds is judged as if it stood in JSON Lines.

A row's line is its number, from 1. A null is a field that is not there, as Parquet has no other way to leave
one out. Dates and decimal numbers become text. A process of its own takes the file apart (`parquet_rows`).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from datasets.formats import BLOCK_BYTES, MAX_COLUMNS, MAX_ROW_BYTES, MAX_ROWS, Header, RawReading, Readable
from datasets.formats.jsonl import parse_row
from datasets.formats.lines import too_many_columns, too_many_rows
from datasets.problems import Problem
from finetuning.strict_json import shown

MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
PROGRAM = Path(__file__).with_name("parquet_rows.py")


class _Damaged(Exception):
    """The file could not be read to its end."""


def read_parquet(file: Readable) -> Iterator[RawReading]:
    """The columns of `file`, and what its rows hold; see `datasets.formats`."""
    line, unpacked = 0, 0
    try:
        for content in _rows_as_json(file):
            if line == 0:
                header = _header(json.loads(content))
                yield header
                if isinstance(header, Problem):
                    return
                line = 1
                continue
            if line > MAX_ROWS:
                yield too_many_rows(line)
                return
            unpacked += len(content) or MAX_ROW_BYTES
            if unpacked > MAX_UNPACKED_BYTES:
                yield _unpacked(line)
                return
            yield parse_row(content or None, line=line)
            line += 1
    except _Damaged as damage:
        yield _damaged(str(damage), line=max(1, line))


def _header(names: list[str]) -> Header | Problem:
    if len(names) > MAX_COLUMNS:
        return too_many_columns(len(names), line=1)
    # Arrow takes a name twice, an object does not; each row then says so.
    return Header(line=1, columns=tuple(dict.fromkeys(names)))


def count_rows(file: Readable) -> int:
    """How many rows can be read."""
    return sum(not isinstance(reading, Header | Problem) for reading in read_parquet(file))


def _rows_as_json(file: Readable) -> Iterator[bytes]:
    """The columns, then each row; empty for one that is too long. Raises _Damaged."""
    with (
        _stored(file) as stored,
        tempfile.TemporaryFile() as complaint,
        _program(stored, complaint) as program,
    ):
        assert program.stdout is not None
        for line in program.stdout:
            if not line.endswith(b"\n"):
                break
            yield line[:-1]
        if program.wait() != 0:
            complaint.seek(0)
            raise _Damaged(complaint.read(1_000).decode("utf-8", "replace") or "The reader was ended by it.")


@contextmanager
def _stored(file: Readable) -> Iterator[IO[bytes]]:
    """A copy that another process can read: its table of contents is at its end."""
    with tempfile.TemporaryFile() as stored:
        while block := file.read(BLOCK_BYTES):
            stored.write(block)
        stored.seek(0)
        yield stored


@contextmanager
def _program(stored: IO[bytes], complaint: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process that reads; it is ended when nobody wants the rest."""
    command = [sys.executable, "-I", str(PROGRAM), str(MAX_ROW_BYTES)]
    # No shell, and nothing in the command comes from a user.
    with subprocess.Popen(command, stdin=stored, stdout=subprocess.PIPE, stderr=complaint) as program:  # nosec B603 # noqa: S603 - our own
        try:
            yield program
        finally:
            program.kill()


def _unpacked(line: int) -> Problem:
    limit = MAX_UNPACKED_BYTES // (1024 * 1024)
    return Problem(
        code="unpacked_size",
        line=line,
        message=f"The rows up to here are together larger than {limit:,} MB. Reading stopped here.",
        expected=f"at most {limit:,} MB of text",
        fix="Split the file.",
    )


def _damaged(why: str, *, line: int) -> Problem:
    return Problem(
        code="parquet",
        line=line,
        message="The Parquet file cannot be read from here on.",
        found=shown(why),
        fix="Write or copy it again, or save it as JSON Lines.",
    )
