"""How the rows of a file say what is trained: in the vendor's own shapes, or in another that is converted.

`detecting.detect` finds the layout from the first rows, `reading.read_examples` gives every row in the
vendor's shape. The file itself stays as it was uploaded.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from datasets.formats import Format
from datasets.problems import Problem

Layout = Literal[
    "chat", "preference", "reinforcement", "prompt_completion", "alpaca", "sharegpt", "columns", ""
]

# Each with its name for people. Without a layout, it is found out while the file is read.
LAYOUTS: Mapping[Layout, str] = {
    "chat": "Chat",
    "preference": "Preference pairs",
    "reinforcement": "Reinforcement prompts",
    "prompt_completion": "Prompt and completion",
    "alpaca": "Alpaca",
    "sharegpt": "ShareGPT",
    "columns": "Columns",
}
# What the rows of the vendor's own shapes train. They are passed on as they are.
METHODS: Mapping[Layout, str] = {"chat": "supervised", "preference": "dpo", "reinforcement": "reinforcement"}
LAYOUT_OF_METHOD: Mapping[str, Layout] = {method: layout for layout, method in METHODS.items()}
# What a column can be: a side of the conversation, one of two answers, or JSON in the vendor's shape.
TARGETS: Mapping[str, str] = {
    "system": "System prompt",
    "user": "User",
    "assistant": "Assistant",
    "preferred": "Preferred answer",
    "rejected": "Answer that is not preferred",
    "messages": "Messages, as JSON",
    "tools": "Tools, as JSON",
}

Columns = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several files that were put one behind the other. Lines are counted through all of them."""

    name: str
    size: int
    first_line: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a dataset's file is read. `columns` says what each column is (see TARGETS), for the layout of that
    name; `parts` is empty for a single file.
    """

    format: Format
    layout: Layout = ""
    columns: Columns = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def method(self) -> str:
        """What rows of this layout train; empty where only the rows can tell."""
        if not self.layout:
            return ""
        is_pair = self.layout == "columns" and "preferred" in self.columns.values()
        return METHODS.get(self.layout, "dpo" if is_pair else "supervised")

    @property
    def is_plain(self) -> bool:
        """Whether each line of the file is a row in the vendor's shape, so that it can be read alone."""
        return self.format == "jsonl" and not self.parts and self.layout in METHODS

    def place(self, line: int) -> tuple[str, int]:
        """The file and the line in it; the name is empty where there is only one file."""
        if not self.parts:
            return "", line
        number = bisect_right([part.first_line for part in self.parts], line) - 1
        part = self.parts[max(0, number)]
        return part.name, line - part.first_line + 1

    def place_in_words(self, line: int, element: int | None = None) -> str:
        """`line 3`, or `line 3 of b.jsonl`; in a JSON array `line 3, /12`."""
        name, number = self.place(line)
        words = f"line {number:,} of {name}" if name else f"line {number:,}"
        return words if element is None else f"{words}, /{element}"


class NotInLayout(Exception):
    """A row that has not the fields of its layout."""

    def __init__(self, message: str, *, expected: str, found: str = "", pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.pointer = pointer

    def at(self, line: int) -> Problem:
        return Problem(
            code="layout",
            line=line,
            pointer=self.pointer,
            message=self.message,
            found=self.found,
            expected=self.expected,
            fix="Correct the row, or choose another layout for the file.",
        )


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A row in the vendor's shape, and the fields that it does not use."""

    value: dict[str, object]
    unused: tuple[str, ...] = ()


def known_layout(name: str) -> Layout:
    """`name` as a layout; the empty one when there is none of this name."""
    return cast("Layout", name) if name in LAYOUTS else ""
