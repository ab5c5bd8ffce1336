"""Flat rows: what each column is, says a mapping that can be suggested from the columns' names."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datasets.formats import Header
from datasets.layouts import TARGETS, Columns, Converted, NotInLayout
from datasets.problems import Problem
from finetuning.strict_json import StrictJSONError, loads, shown

# Names that other tools give to such columns. Only whole names count, the first of each list before the next.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "tools": ("tools",),
    "system": ("system", "system_prompt"),
    "user": ("prompt", "user", "question", "instruction", "query", "input", "human"),
    "assistant": ("completion", "assistant", "answer", "response", "output", "reply"),
    "preferred": ("chosen", "preferred", "preferred_output"),
    "rejected": ("rejected", "non_preferred", "non_preferred_output"),
}
# What makes a row, and what may be beside it: nothing is mapped and then not used.
_SHAPES = (
    (frozenset({"messages"}), frozenset({"tools"})),
    (frozenset({"user", "preferred", "rejected"}), frozenset({"system"})),
    (frozenset({"user", "assistant"}), frozenset({"system"})),
)
_OPTIONAL = frozenset({"system", "tools"})
_JSON_TARGETS = frozenset({"messages", "tools"})
EXPECTED = (
    "A column for the user and one for the assistant (or two for a pair), or one for the messages alone"
)


def suggest(names: Iterable[str]) -> Columns:
    """What the columns with these names most likely are; empty when they cannot make an example."""
    by_name = {name.lower(): name for name in reversed(list(names))}
    found = {
        target: by_name[known] for target in TARGETS for known in reversed(_NAMES[target]) if known in by_name
    }
    used = next((needed | more for needed, more in _SHAPES if needed <= found.keys()), frozenset())
    return {found[target]: target for target in TARGETS if target in used and target in found}


def mapping_fault(columns: Columns) -> str:
    """Why examples cannot be made with this mapping; empty when they can."""
    targets = list(columns.values())
    unknown = next((target for target in targets if target not in TARGETS), None)
    if unknown is not None:
        return f'"{shown(unknown)}" is nothing that a column can be: {", ".join(TARGETS)}.'
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        return f'Two columns are "{twice}"; only one can be.'
    if not any(needed <= set(targets) <= needed | more for needed, more in _SHAPES):
        return f"The columns do not make an example. Needed: {EXPECTED[0].lower()}{EXPECTED[1:]}."
    return ""


def header_problems(header: Header, columns: Columns) -> Iterator[Problem]:
    """An error when the table lacks a column that is needed, and a warning for each one that is not used."""
    missing = [name for name in columns if name not in header.columns and columns[name] not in _OPTIONAL]
    if missing or not columns:
        yield Problem(
            code="header",
            line=header.line,
            message="The table does not have the columns that are needed.",
            found=shown(", ".join(header.columns)),
            expected=shown(", ".join(missing)) if missing else EXPECTED,
            fix="Name the columns in the first row, or say which column is what.",
        )
        return
    for name in header.columns:
        if name not in columns:
            message = f'The column "{shown(name)}" is not used.'
            yield Problem(code="unused_column", severity="warning", line=header.line, message=message)


def convert(row: Mapping[str, Any], columns: Columns) -> Converted:
    """The row of a table in the vendor's shape. Raises NotInLayout, StrictJSONError."""
    if fault := mapping_fault(columns):
        raise NotInLayout(fault, expected=EXPECTED)
    cells: dict[str, Any] = {}
    for name, target in columns.items():
        if name in row:
            cells[target] = _from_json(row[name]) if target in _JSON_TARGETS else row[name]
        elif target not in _OPTIONAL:
            expected = ", ".join(columns)
            raise NotInLayout(f'The row has no "{shown(name)}".', found=_keys(row), expected=shown(expected))
    unused = tuple(name for name in row if name not in columns)
    return Converted(value=_example(cells), unused=unused)


def _keys(row: Mapping[str, Any]) -> str:
    return shown(", ".join(row))


def _from_json(cell: object) -> object:
    """The value that a text holds; what is no text, as in Parquet, is the value itself."""
    if not isinstance(cell, str):
        return cell
    try:
        return loads(cell.encode())
    except StrictJSONError as error:
        message = f"A cell that should hold JSON does not: {error.message}"
        raise StrictJSONError(error.code, message, pointer=error.pointer) from None


def _example(cells: Mapping[str, Any]) -> dict[str, object]:
    if "messages" in cells:
        tools = {"tools": cells["tools"]} if cells.get("tools") else {}
        return {"messages": cells["messages"], **tools}
    asked = [message("user", cells["user"])]
    if cells.get("system"):
        asked.insert(0, message("system", cells["system"]))
    if "preferred" in cells:
        return {
            "input": {"messages": asked},
            "preferred_output": [message("assistant", cells["preferred"])],
            "non_preferred_output": [message("assistant", cells["rejected"])],
        }
    return {"messages": [*asked, message("assistant", cells["assistant"])]}


def message(role: str, content: object) -> dict[str, object]:
    """What one side says, as the vendor writes it."""
    return {"role": role, "content": content}
