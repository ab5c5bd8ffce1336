"""Physical lines of a file that may have none: bounded memory whatever it contains."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from datasets.formats import BLOCK_BYTES, MAX_COLUMNS, MAX_ROW_BYTES, MAX_ROWS, UTF8_BOM, Readable
from datasets.problems import Problem

# JSON Lines ends its lines with LF only: U+2028, VT and a lone CR are data or errors, never line ends.
LF = re.compile(rb"\n")
# CSV may also come with CRLF or CR; a CR at the end of what was read may be half of a CRLF.
LF_OR_CR = re.compile(rb"\r\n|\n|\r(?!\Z)")

BOM_WARNING = Problem(
    code="bom",
    severity="warning",
    line=1,
    message="The file starts with a byte order mark, which was left out.",
    fix='Save it as "UTF-8", not as "UTF-8 with BOM".',
)

# RFC 4627, section 3: where the zeros are among the first four bytes tells the encoding without a mark.
_WIDE_ENCODINGS = {
    "UTF-32": re.compile(rb"(?s)\xff\xfe\0\0|\0\0\xfe\xff|[^\0]\0\0\0|\0\0\0[^\0]"),
    "UTF-16": re.compile(rb"(?s)\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its end; `content` is None for one of more than `MAX_ROW_BYTES`."""

    number: int
    content: bytes | None


def text_lines(file: Readable, line_end: re.Pattern[bytes]) -> Iterator[Line | Problem]:
    """The lines of a UTF-8 file without its byte order mark, and problems of the file as a whole.

    Ends after a problem of severity error: another encoding, or more than `MAX_ROWS` lines.
    """
    for number, content in enumerate(physical_lines(file, line_end), start=1):
        text = content
        if number == 1 and content is not None:
            if problem := wide_encoding(content):
                yield problem
                return
            text = content.removeprefix(UTF8_BOM)
            if content.startswith(UTF8_BOM):
                yield BOM_WARNING
        if number > MAX_ROWS:
            yield too_many_rows(number)
            return
        yield Line(number, text)


def physical_lines(file: Readable, line_end: re.Pattern[bytes]) -> Iterator[bytes | None]:
    """Each line with its end. None stands for one of more than `MAX_ROW_BYTES`, which is skipped unread."""
    tail, too_long = b"", False
    while block := file.read(BLOCK_BYTES):
        buffer, start = tail + block, 0
        for match in line_end.finditer(buffer):
            line, start = buffer[start : match.end()], match.end()
            yield None if too_long or _is_too_long(line) else line
            too_long = False
        tail = buffer[start:]
        if too_long or _is_too_long(tail):
            tail, too_long = (b"\r" if tail.endswith(b"\r") else b""), True
    if tail or too_long:
        yield None if too_long else tail


def wide_encoding(head: bytes) -> Problem | None:
    """A problem if a file that starts with `head` is UTF-16 or UTF-32; four bytes are enough."""
    for name, start in _WIDE_ENCODINGS.items():
        if start.match(head):
            return Problem(
                code="encoding",
                line=1,
                message=f"The file is encoded in {name}.",
                found=name,
                expected="UTF-8",
                fix='Save it again with the encoding "UTF-8".',
            )
    return None


def too_long(line: int) -> Problem:
    limit = MAX_ROW_BYTES // (1024 * 1024)
    return Problem(
        code="line_too_long",
        line=line,
        message=f"The row is longer than {limit} MB. It was skipped without being read.",
        expected=f"at most {limit} MB",
        fix="Put each example on a line of its own, and shorten or split this one.",
    )


def too_many_rows(line: int) -> Problem:
    return Problem(
        code="too_many_rows",
        line=line,
        message=f"The file has more than {MAX_ROWS:,} rows. Reading stopped here.",
        fix="Split the file, or remove lines that hold no example.",
    )


def too_many_columns(columns: int, *, line: int) -> Problem:
    return Problem(
        code="header",
        line=line,
        message=f"The table has {columns:,} columns.",
        found=f"{columns:,}",
        expected=f"at most {MAX_COLUMNS}",
        fix="Leave out the columns that are not needed.",
    )


def _is_too_long(line: bytes) -> bool:
    end = 2 if line.endswith(b"\r\n") else 1 if line.endswith((b"\r", b"\n")) else 0
    return len(line) - end > MAX_ROW_BYTES
