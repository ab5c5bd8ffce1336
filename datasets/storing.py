"""Putting examples and problems into the database by COPY, past the ORM.

This is the only module that does so; a test compares what it stores with what the ORM would.
"""

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from uuid import UUID

from django.db import connection

from datasets.models import Dataset, DatasetProblem, TrainingExample
from datasets.problems import Problem
from datasets.tally import Accepted

_COLUMNS = (
    *("dataset_id", "position", "line", "token_count", "messages", "attributes", "conversation_id"),
    "element",
)
_PROBLEM_COLUMNS = tuple(Problem.__dataclass_fields__)
# PostgreSQL's manual, "COPY", "Binary Format".
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
# How many columns there are, then each with its length: a UUID, three integers, and the start of a jsonb.
_ROW_START = Struct(">h i16s ii ii ii iB")
_JSONB_START = Struct(">iB")
_JSONB_VERSION = 1
_UUID = Struct(">i16s")
_NULL = Struct(">i").pack(-1)
_INTEGER = Struct(">ii")
_WRITTEN_ROWS = 200


def commit_soon() -> None:
    """Let the end of the current transaction not wait for the disk.

    A part that a crash of the server forgets is forgotten whole, with the note that it was read, and is read
    again; the verdict waits for the disk, and with it for all that came before it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")


def replace_examples(
    dataset: Dataset,
    rows: Iterable[Accepted],
    *,
    first_position: int,
    positions: int,
    conversation_ids: Mapping[int, UUID],
) -> int:
    """Store `rows` from `first_position` on in place of what is stored at so many `positions`.

    `conversation_ids` are by line. Returns how many rows the database has taken.
    """
    replaced = range(first_position, first_position + positions)
    dataset.examples.filter(position__gte=replaced.start, position__lt=replaced.stop).delete()
    return _copy(_packed(dataset, rows, first_position, conversation_ids))


def store_problems(dataset: Dataset, problems: Iterable[Problem]) -> None:
    """Add problems of the dataset's file."""
    table, columns = DatasetProblem._meta.db_table, ", ".join(_PROBLEM_COLUMNS)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} (dataset_id, {columns}) FROM STDIN") as copy,
    ):
        for problem in problems:
            copy.write_row((dataset.pk, *[getattr(problem, name) for name in _PROBLEM_COLUMNS]))


def _copy(rows: Iterator[bytes]) -> int:
    table, columns = TrainingExample._meta.db_table, ", ".join(_COLUMNS)
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(_HEADER)
            for piece in rows:
                copy.write(piece)
            copy.write(_TRAILER)
        return int(cursor.rowcount)


def _packed(
    dataset: Dataset, rows: Iterable[Accepted], first_position: int, conversation_ids: Mapping[int, UUID]
) -> Iterator[bytes]:
    """The rows in binary, a few hundred at once."""
    pieces: list[bytes] = []
    owner = dataset.pk.bytes
    for position, row in enumerate(rows, start=first_position):
        conversation = conversation_ids.get(row.line)
        size = 1 + len(row.messages)
        pieces += (
            _ROW_START.pack(
                *(len(_COLUMNS), 16, owner, 4, position, 4, row.line, 4, row.tokens, size, _JSONB_VERSION)
            ),
            row.messages,
            _JSONB_START.pack(1 + len(row.attributes), _JSONB_VERSION),
            row.attributes,
            _UUID.pack(16, conversation.bytes) if conversation else _NULL,
            _NULL if row.element is None else _INTEGER.pack(4, row.element),
        )
        if len(pieces) >= 6 * _WRITTEN_ROWS:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces)
