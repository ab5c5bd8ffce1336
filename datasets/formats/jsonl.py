"""JSON Lines: one JSON value a line."""

from collections.abc import Iterator

from datasets.formats import SPACE, BlankRow, Readable, Reading, Row, UnreadableRow
from datasets.formats.lines import LF, text_lines, too_long
from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from finetuning.strict_json import StrictJSONError, loads, shown

_FIXES = {
    "encoding": "Save the file as UTF-8.",
    "invalid_json": "Write each example as one JSON object on one line; "
    'strings and keys stand in "double quotes", and nothing follows the last comma.',
    "nul": "Remove the NUL character.",
    "surrogate": "Write the character itself, or both halves of its surrogate pair.",
    "duplicate_key": "Keep one of the two.",
    "non_finite": "Write a finite number, or null.",
    "number": "Write a shorter number, or a string.",
    "depth": "Write deeply nested values as a string that holds JSON.",
}


def read_jsonl(file: Readable) -> Iterator[Reading]:
    """What the lines of `file` hold; see `datasets.formats`. Stops at a file that is one JSON array."""
    rows = 0
    for line in text_lines(file, LF):
        if isinstance(line, Problem):
            yield line
        elif line.content is not None and not line.content.strip(SPACE):
            yield BlankRow(line=line.number)
        else:
            rows += 1
            row = parse_row(line.content, line=line.number)
            if rows == 1 and is_array_of_examples(line.content, row):
                yield not_jsonl(line.number)
                return
            yield row


def parse_row(content: bytes | None, *, line: int) -> Row | UnreadableRow:
    """The row that `content` is; None is one that was too long to be held."""
    if content is None:
        return UnreadableRow(line=line, problem=too_long(line))
    try:
        return Row(line=line, value=loads(content))
    except StrictJSONError as error:
        return UnreadableRow(line=line, problem=_problem(error, content, line=line))


def _problem(error: StrictJSONError, content: bytes, *, line: int) -> Problem:
    start = content[error.offset : error.offset + 40] if error.offset is not None else content[:40]
    return Problem(
        code=error.code,
        line=line,
        pointer=error.pointer[:MAX_POINTER_CHARACTERS],
        message=error.message,
        found=shown(start.decode("utf-8", "backslashreplace").strip()),
        fix=_FIXES[error.code],
    )


def is_array_of_examples(content: bytes | None, row: Row | UnreadableRow) -> bool:
    """Whether the first row of a file shows that the whole file is one JSON array."""
    if content is None or not content.lstrip(SPACE).startswith(b"["):
        return False
    if isinstance(row, UnreadableRow):
        return row.problem.code == "invalid_json"
    return isinstance(row.value, list) and any(isinstance(item, dict) for item in row.value)


def not_jsonl(line: int) -> Problem:
    """The problem of a file that is one JSON array."""
    return Problem(
        code="not_jsonl",
        line=line,
        message="The file holds one JSON array, not one example a line.",
        found="[",
        expected="{ at the start of each line",
        fix="Name the file .json, or put each element on a line of its own, without the brackets and commas.",
    )
