"""Files to read, each made from a few bytes: a good file, then damage to its values, then to its bytes."""

import csv
import io
import json
from copy import deepcopy
from dataclasses import dataclass, field

from hypothesis import strategies as st

from datasets.layouts import LAYOUTS, TARGETS, Plan
from tests.datasets.test_layouts import ROWS

TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {
    "type": "object", "properties": {"at": {"type": "string", "enum": ["a", "b"], "description": "Where."}}}}}  # fmt: skip
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}}
RICH = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
        {"role": "tool", "tool_call_id": "c1", "content": "A cat"},
        {"role": "assistant", "content": "A cat.", "weight": 1},
    ],
    "tools": [TOOL],
    "parallel_tool_calls": False,
}
OLDER = {
    "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "A cat"},
        {"role": "assistant", "content": "A cat", "refusal": None},
    ],
    "functions": [TOOL["function"]],
}
GOOD_ROWS = [RICH, OLDER, RICH, *(row for row, _, _ in ROWS.values())]

VALUES = [
    None, True, False, 0, 1, 2, 1.0, -0.0, 1e308, 10**30, float("nan"), float("inf"), "", " ", "A ", "\0", "\ud800",
    "\U0001f600", "\u2028\x85", "<|im_start|>", "user", "assistant", "tool", "system", "developer", "function", "human",
    "gpt", "function_call", "observation", "text", "image_url", "refusal", "c1", "look", "a b", "{}", "[]", '{"a":', "7",
    "[" * 50, "ann@acme.io 4111 1111 1111 1111", "sk-proj-" + "a1B2" * 10, "data:image/png;base64,iVBORw0KGgo=", "ftp://a",
    [], {}, [None], [[]], [{}], ["a"], {"type": "text"}, {"type": "text", "text": "A"}, {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "A"}, {"role": "tool", "content": "A", "tool_call_id": "c1"}, [CALL], [CALL, CALL],
    CALL["function"], [TOOL], [{}] * 130, {"url": "https://a"}, [["q", "a"]], [{"from": "human", "value": "Q"}],
    {"a": {"a": {"a": {"a": [[[[]]]]}}}}, json.loads("[" * 40 + "]" * 40), "x" * 3_000, {"properties": {"a": True}},
    {"properties": []}, {"messages": []},
]  # fmt: skip
KEYS = [
    "role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal", "messages", "tools",
    "functions", "parallel_tool_calls", "input", "preferred_output", "non_preferred_output", "prompt", "completion",
    "instruction", "output", "history", "conversations", "from", "value", "id", "type", "function", "arguments", "text",
    "image_url", "url", "detail", "a/b~c", "", "answer", "\0", "toolCalls", "Role", "<|endoftext|>",
]  # fmt: skip
PIECES = [
    b"", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\t", b",", b'"', b'""', b"\\", b"{", b"}", b"[", b"]", b"[]", b"{}", b":",
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\xff\xfe", b"\x0b", b"\x1c", b"\xe2\x80\xa8", b"null",
    b"NaN", b"1e999", b"-", b"01", b"0x1", b"9" * 500, b"'", b"//", b'"a":1,', b"\\ud800", b"\\u0000", b"PAR1", b";",
    b"[" * 1_100, b"prompt,completion\n", b'{"messages": []}\n', b'{"a": 1, "a": 2}\n',
]  # fmt: skip


@dataclass(frozen=True)
class Input:
    """A file, how it is read, and what is tried beside that: another size of blocks (0: none), the repairs."""

    data: bytes = field(repr=False)
    plan: Plan
    step: int
    is_repaired: bool


class Choices:
    """Decisions from bytes, the first of the options when there are none left."""

    def __init__(self, recipe):
        self._bytes = iter(recipe)

    def number(self, limit):
        return int.from_bytes([next(self._bytes, 0), next(self._bytes, 0)], "little") % limit

    def pick(self, options):
        return options[self.number(len(options))]


RECIPE_BYTES = 60
FILES_AT_ONCE = 20


def inputs():
    """So many files at once: Hypothesis draws their bytes alone, and makes them simpler where one is wrong."""
    size = RECIPE_BYTES * FILES_AT_ONCE
    recipes = st.binary(min_size=size, max_size=size)
    return recipes.map(
        lambda drawn: [made(drawn[start : start + RECIPE_BYTES]) for start in range(0, size, RECIPE_BYTES)]
    )


def made(recipe):
    choices = Choices(recipe)
    format = choices.pick(("jsonl", "jsonl", "jsonl", "json", "csv"))
    good = choices.pick(GOOD_ROWS)
    rows = [
        deepcopy(choices.pick((good, good, good, *GOOD_ROWS))) for _ in range(choices.pick((1, 1, 1, 2, 3)))
    ]
    for _ in range(choices.number(4)):
        rows[choices.number(len(rows))] = damaged(choices.pick(rows), choices)
    data = WRITERS[format](rows)
    for _ in range(choices.pick((0, 0, 0, 0, 1, 2))):
        data = cut(data, choices)
    step, is_repaired = choices.pick((0, 0, 0, 0, 0, 0, 7, 13)), choices.number(4) == 1
    return Input(data, plan(format, choices), step=step, is_repaired=is_repaired)


def plan(format, choices):
    if choices.number(16) == 1:
        format = choices.pick(tuple(WRITERS))
    layout = choices.pick(("",) * 14 + ("chat", *LAYOUTS))
    names = [choices.pick(KEYS) for _ in TARGETS] if layout == "columns" else []
    return Plan(format=format, layout=layout, columns=dict(zip(names, TARGETS, strict=False)))


def places(value, found=None):
    """Each container of `value` with each of its keys."""
    found = [] if found is None else found
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        found.append((value, key))
        places(item, found)
    return found


def damaged(row, choices):
    """The row with one value changed; sometimes it is no row at all any more."""
    row = deepcopy(row)
    found = places(row)
    if not found or choices.number(20) == 1:
        return deepcopy(choices.pick(VALUES))
    holder, key = choices.pick(found)
    kind = choices.number(6)
    if kind == 0 and isinstance(holder, dict):
        holder[choices.pick(KEYS)] = holder.pop(key)
    elif kind == 1:
        del holder[key]
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, deepcopy(holder[key]))
    elif kind == 3:
        holder[key] = [holder[key]]
    elif kind == 4 and isinstance(holder, dict):
        holder[choices.pick(KEYS)] = deepcopy(choices.pick(VALUES))
    else:
        holder[key] = deepcopy(choices.pick(VALUES))
    return row


def cut(data, choices):
    """The bytes with a piece put in somewhere, in place of none, some or all that follows."""
    start = choices.number(len(data) + 1)
    gone = choices.pick((0, 0, 0, 1, 3, 1_000_000))
    return data[:start] + choices.pick(PIECES) + data[start + gone :]


def as_lines(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_array(rows):
    return b"[" + b",\n ".join(json.dumps(row).encode() for row in rows) + b"]\n"


def as_csv(rows):
    """Texts as they are, everything else as JSON, as exports do it."""
    objects = [row for row in rows if isinstance(row, dict)]
    names = list(dict.fromkeys(name for row in objects for name in row))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    for row in objects:
        cells = [row.get(name, "") for name in names]
        writer.writerow([cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return file.getvalue().encode("utf-8", "surrogatepass")


# Parquet is taken apart by another process, which is too slow here; its damage has a test of its own.
WRITERS = {"jsonl": as_lines, "json": as_array, "csv": as_csv}
