"""Which formats training files come in, and what a reader makes of a file.

`sniff` decides at upload whether a file is read at all; `rows.read_rows` then takes it apart in bounded
memory. A reader never raises for what a file contains: it yields, in file order,

Header         the names of a table's columns, before its first row
Row            a row whose value was read
UnreadableRow  a row that could not be read, and why
BlankRow       a row with nothing on it
Problem        what concerns the file as a whole (its encoding, its header, its end)
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, Protocol

from datasets.problems import Problem

Format = Literal["jsonl", "json", "csv", "parquet"]

BLOCK_BYTES = 1024 * 1024
MAX_ROW_BYTES = 4 * 1024 * 1024
MAX_ROWS = 1_000_000
# A form that asks what each column is has two fields for each, and Django takes 1,000.
MAX_COLUMNS = 400
SPACE = b" \t\r\n"
UTF8_BOM = b"\xef\xbb\xbf"


class Readable(Protocol):
    """A binary file; `read` may return fewer bytes than asked for, and none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a table; each of its rows is an object with these keys. `line` is the header's."""

    line: int
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. `line` is the physical line on which it starts, from 1; `value` any JSON value; `element` is
    its number in a JSON array, from 0, for one line may hold all of it.
    """

    line: int
    value: object
    element: int | None = None


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    line: int
    problem: Problem

    @property
    def element(self) -> int | None:
        return self.problem.element


@dataclass(frozen=True, kw_only=True)
class BlankRow:
    line: int


Reading = Row | UnreadableRow | BlankRow | Problem
RawReading = Header | Reading


class UnsupportedFile(Exception):
    """A file that is refused at upload. `code`: empty, extension, compressed, not_text, format."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


NOT_TEXT_CODES = frozenset({"compressed", "not_text"})

FORMATS: tuple[Format, ...] = ("jsonl", "json", "csv", "parquet")
PARQUET_MAGIC = b"PAR1"
_ENDINGS = ".jsonl, .json, .csv or .parquet"

# From the file formats' own specifications, as collected in file(1).
_COMPRESSED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "zip": re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    "zstandard": re.compile(rb"\x28\xb5\x2f\xfd"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "7-Zip": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "RAR": re.compile(rb"Rar!\x1a\x07"),
    "LZ4": re.compile(rb"\x04\x22\x4d\x18"),
    "tar": re.compile(rb"(?s).{257}ustar"),
}
_NOT_TEXT = {
    "a PDF document": re.compile(rb"%PDF-"),
    "a PNG image": re.compile(rb"\x89PNG"),
    "a GIF image": re.compile(rb"GIF8[79]a"),
    "a JPEG image": re.compile(rb"\xff\xd8\xff"),
    "a program": re.compile(rb"\x7fELF|(?s:MZ.{0,60}?\0)|[\xcf\xce]\xfa\xed\xfe"),
    "a Parquet file": re.compile(PARQUET_MAGIC),
    "an SQLite database": re.compile(rb"SQLite format 3\0"),
    "an old Office document": re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "an audio or video file": re.compile(rb"RIFF|OggS|ID3"),
}


def sniff(head: bytes, file_name: str, declared: str | None = None) -> Format:
    """The format of the file that starts with `head` (a few kilobytes are enough).

    A declared format is taken at its word. Else the name decides, except that a `.json` file that does not
    start with `[` is read line by line: many tools name JSON Lines so. Raises `UnsupportedFile`.
    """
    if not head:
        raise UnsupportedFile("empty", "The file is empty (0 bytes).")
    suffix = PurePosixPath(file_name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UnsupportedFile("extension", f"The file's name must end in {_ENDINGS}.")
    if declared is not None and declared not in FORMATS:
        raise UnsupportedFile("format", "The format must be jsonl, json, csv or parquet.")
    format = next(known for known in FORMATS if known == (declared or suffix))
    if format == "parquet":
        return _parquet(head)
    _refuse_not_text(head)
    text = head.removeprefix(UTF8_BOM).lstrip(SPACE)
    named_json = declared is None and format == "json"
    return "jsonl" if named_json and text.startswith(b"{") else format


def _parquet(head: bytes) -> Format:
    if not head.startswith(PARQUET_MAGIC):
        _refuse_not_text(head)
        raise UnsupportedFile("not_text", "This is no Parquet file, whatever its name says.")
    return "parquet"


def _refuse_not_text(head: bytes) -> None:
    if _COMPRESSED["zip"].match(head) and (b"xl/" in head or b"[Content_Types].xml" in head):
        message = "This is an Excel workbook. Save it as CSV (UTF-8), and upload that."
        raise UnsupportedFile("not_text", message)
    for name, magic in _COMPRESSED.items():
        if magic.match(head):
            message = f"The file is compressed ({name}). Unpack it, and upload the text file inside."
            raise UnsupportedFile("compressed", message)
    for name, magic in _NOT_TEXT.items():
        if magic.match(head):
            message = f"This is {name}, whatever its name says. Upload JSON Lines, JSON, CSV or Parquet."
            raise UnsupportedFile("not_text", message)
