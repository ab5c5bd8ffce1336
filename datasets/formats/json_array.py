"""A JSON array of examples, taken apart element by element without ever holding the whole."""

import re
from collections.abc import Iterator
from dataclasses import replace

from datasets.formats import BLOCK_BYTES, MAX_ROW_BYTES, MAX_ROWS, SPACE, UTF8_BOM, Readable, Reading, Row
from datasets.formats.jsonl import parse_row
from datasets.formats.lines import BOM_WARNING, too_many_rows, wide_encoding
from datasets.problems import Problem
from finetuning.strict_json import shown

_OUTSIDE_STRINGS = re.compile(rb'[\[\]{}",]')
_INSIDE_STRINGS = re.compile(rb'["\\]')


def read_json_array(file: Readable) -> Iterator[Reading]:
    """What the elements of `file` hold; see `datasets.formats`. A broken element does not hide the next."""
    head = _head(file)
    if problem := wide_encoding(head):
        yield problem
        return
    if head.startswith(UTF8_BOM):
        yield BOM_WARNING
        head = head.removeprefix(UTF8_BOM)
    opening = head.lstrip(SPACE)
    first_line = 1 + head[: len(head) - len(opening)].count(b"\n")
    if not opening.startswith(b"["):
        yield _not_an_array(opening, line=first_line)
        return
    elements = _Elements(line=first_line)
    block = opening[1:]
    while block or (block := file.read(BLOCK_BYTES)):
        for row in elements.split(block):
            yield row
            if elements.count > MAX_ROWS:
                yield too_many_rows(elements.line)
                return
        block = b""
    yield from elements.end()


def _head(file: Readable) -> bytes:
    """The start of the file, up to and with its first character that is not space."""
    head = b""
    while len(head) < BLOCK_BYTES and (block := file.read(BLOCK_BYTES)):
        head += block
        if len(head) > len(UTF8_BOM) and head.removeprefix(UTF8_BOM).strip(SPACE):
            break
    return head


class _Elements:
    """Splits what stands between the brackets of an array at the commas that belong to it.

    It looks at strings, brackets and commas only; whether an element is valid JSON is found out afterwards.
    """

    def __init__(self, *, line: int) -> None:
        self.line = line
        self.count = 0
        self._element = bytearray()
        self._element_line = line
        self._skipping = False
        self._depth = 0
        self._in_string = False
        self._escaped_bytes = 0
        self._closed = False

    def split(self, block: bytes) -> Iterator[Reading]:
        """The elements that end in `block`, which follows the blocks before it."""
        start, position = 0, self._escaped_bytes
        self._escaped_bytes = 0
        while not self._closed:
            pattern = _INSIDE_STRINGS if self._in_string else _OUTSIDE_STRINGS
            match = pattern.search(block, position)
            if match is None:
                break
            position = match.end()
            if self._in_string and match.group() == b"\\":
                position += 1
                self._escaped_bytes = max(0, position - len(block))
            elif self._ends_element(match.group()):
                self._append(block[start : match.start()])
                start = position
                yield from self._take()
        self._append(block[start:])

    def end(self) -> Iterator[Reading]:
        """What is left when the file has ended."""
        if self._closed and not self._element and not self._skipping:
            return
        if self._closed:
            yield Problem(
                code="invalid_json",
                line=self._element_line,
                message="Something stands behind the end of the array.",
                found=shown(bytes(self._element[:40]).decode("utf-8", "backslashreplace")),
                fix="Remove it, or move it into the array.",
            )
            return
        yield Problem(
            code="invalid_json",
            line=self.line,
            message="The file ends before its array is closed.",
            expected="]",
            fix="The file was cut off: export or copy it again.",
        )
        yield from self._take()

    def _ends_element(self, mark: bytes) -> bool:
        """Take note of `mark`; whether it is the comma or bracket behind an element."""
        if mark == b'"':
            self._in_string = not self._in_string
        elif self._in_string:
            return False
        elif mark in b"[{":
            self._depth += 1
        elif mark in b"]}":
            # A stray } belongs to a broken element; only ] can end the array.
            self._closed = self._depth == 0 and mark == b"]"
            self._depth = max(0, self._depth - 1)
        return mark != b'"' and (self._closed or (mark == b"," and self._depth == 0))

    def _append(self, piece: bytes) -> None:
        """Add to the element, counting lines; an element that grows too long is let go."""
        if not self._element and not self._skipping:
            text = piece.lstrip(SPACE)
            self._element_line = self.line + piece[: len(piece) - len(text)].count(b"\n")
        else:
            text = piece
        self.line += piece.count(b"\n")
        if self._skipping or len(self._element) + len(text) > MAX_ROW_BYTES:
            self._element.clear()
            self._skipping = True
        else:
            self._element += text

    def _take(self) -> Iterator[Reading]:
        content = None if self._skipping else bytes(self._element).strip(SPACE)
        self._element.clear()
        self._skipping = False
        if content == b"" and self._closed and self.count == 0:
            return
        row, element = parse_row(content, line=self._element_line), self.count
        self.count += 1
        if isinstance(row, Row):
            yield replace(row, element=element)
        else:
            yield replace(row, problem=row.problem.inside(element))


def _not_an_array(opening: bytes, *, line: int) -> Problem:
    return Problem(
        code="not_array",
        line=line,
        message="The file does not hold a JSON array.",
        found=shown(opening[:1].decode("utf-8", "backslashreplace")),
        expected="[ at the start of the file",
        fix="Put the examples between [ and ], or name the file .jsonl if each line is one example.",
    )
