"""Files as they are uploaded: which they are, how they will be read, and several put into one."""

import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from shutil import copyfileobj
from typing import IO, Any, cast

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile

from datasets import formats
from datasets.formats.rows import count_lines
from datasets.layouts import Columns, Layout, Part, Plan, known_layout
from datasets.layouts.columns import mapping_fault, suggest
from datasets.layouts.detecting import FirstLook, first_look
from finetuning.errors import Invalid, Unsupported
from finetuning.strict_json import shown

SNIFFED_BYTES = 64 * 1024
FILE_NAME_LENGTH = 150


class FileNotAccepted(Invalid):
    code = "file_not_accepted"


class FileNotSupported(Unsupported):
    code = "file_not_supported"


class MappingNotPossible(Invalid):
    code = "column_mapping_not_possible"


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What was uploaded, as one file: its content, its name, how it is read, and what its first rows show."""

    content: "File[bytes]"
    size: int
    file_name: str
    plan: Plan
    look: FirstLook


@contextmanager
def taken_in(
    files: "Sequence[UploadedFile[bytes]]",
    *,
    format: str = "",
    layout: str = "",
    columns: Columns | None = None,
) -> Iterator[Intake]:
    """The files as one, put one behind the other. What is left empty is found out from the first file.

    Raises FileNotAccepted (empty, wrong name, of different formats), FileNotSupported (an archive, a picture,
    a program) or MappingNotPossible.
    """
    found = format_of(files, declared=format)
    look = first_look(_stream(files[0]), found, size=files[0].size or 0)
    layout_found, columns_found = _layout_of(look, layout=layout, columns=columns or {})
    plan = Plan(format=found, layout=layout_found, columns=columns_found, parts=tuple(_parts(files, found)))
    with _joined(files) as content:
        yield Intake(
            content=content,
            size=sum(file.size or 0 for file in files),
            file_name=clean_file_name(files[0].name or ""),
            plan=plan,
            look=look,
        )


def columns_of(plan: Plan) -> dict[str, Any]:
    """The plan as columns of a dataset, from which `Dataset.plan` makes it again."""
    return {
        "format": plan.format,
        "layout": plan.layout,
        "column_mapping": dict(plan.columns),
        "parts": [asdict(part) for part in plan.parts],
    }


def clean_file_name(name: str) -> str:
    """The last part of a path in either spelling, without control and direction characters, cut to 150."""
    base = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    stem, dot, suffix = shown.rpartition(".")
    return (
        f"{stem[: FILE_NAME_LENGTH - len(suffix) - 1]}{dot}{suffix}"
        if len(shown) > FILE_NAME_LENGTH
        else shown
    )


def _stream(file: "File[bytes]") -> IO[bytes]:
    return cast("IO[bytes]", file)


def format_of(files: "Sequence[UploadedFile[bytes]]", *, declared: str = "") -> formats.Format:
    """The one format of all files. Raises FileNotAccepted or FileNotSupported."""
    pointers = ["/file"] if len(files) == 1 else [f"/files/{number}" for number in range(len(files))]
    found = [
        _sniffed(file, declared=declared, pointer=pointer)
        for file, pointer in zip(files, pointers, strict=True)
    ]
    for file, format, pointer in zip(files, found, pointers, strict=True):
        if format != found[0]:
            message = (
                f"{clean_file_name(file.name or '')} is {format.upper()}, the first file {found[0].upper()}."
            )
            raise FileNotAccepted(f"{message} All files of one dataset are of one format.", pointer=pointer)
    return found[0]


def _sniffed(file: "UploadedFile[bytes]", *, declared: str, pointer: str) -> formats.Format:
    head = file.read(SNIFFED_BYTES)
    file.seek(0)
    try:
        return formats.sniff(head, file_name=clean_file_name(file.name or ""), declared=declared or None)
    except formats.UnsupportedFile as refusal:
        kind = FileNotSupported if refusal.code in formats.NOT_TEXT_CODES else FileNotAccepted
        raise kind(str(refusal), pointer=pointer) from refusal


def _layout_of(look: FirstLook, *, layout: str, columns: Columns) -> tuple[Layout, Columns]:
    """The layout and the columns that were chosen, else those that were found."""
    if not columns and layout != "columns":
        return (known_layout(layout), {}) if layout else (look.layout, look.columns)
    if layout not in ("", "columns"):
        message = "Columns are mapped in the layout `columns` only. Leave one of the two out."
        raise MappingNotPossible(message, pointer="/layout")
    chosen = columns or look.columns or suggest(look.names)
    missing = [name for name in chosen if look.names and name not in look.names]
    fault = f'The file has no column "{shown(missing[0])}".' if missing else mapping_fault(chosen)
    if fault:
        raise MappingNotPossible(fault, pointer="/columnMapping")
    return "columns", chosen


def _parts(files: "Sequence[UploadedFile[bytes]]", format: formats.Format) -> Iterator[Part]:
    """Where each of several files stands; nothing for a single one."""
    first_line = 1
    for file in files if len(files) > 1 else ():
        yield Part(name=clean_file_name(file.name or ""), size=file.size or 0, first_line=first_line)
        first_line += count_lines(_stream(file), format)
        file.seek(0)


@contextmanager
def _joined(files: "Sequence[UploadedFile[bytes]]") -> "Iterator[File[bytes]]":
    if len(files) == 1:
        yield files[0]
        return
    with tempfile.TemporaryFile() as joined:
        for file in files:
            copyfileobj(_stream(file), joined)
            file.seek(0)
        joined.seek(0)
        yield File(joined, name=files[0].name)
