"""The rules for the tools that a row declares."""

import re
from collections.abc import Iterator
from typing import Any

from datasets.problems import Problem
from datasets.validation.findings import Object, of_type, unknown_fields, wrong

# The API's description: `functions` takes 1 to 128; a tool's name has letters, digits, _ and -.
MAX_TOOLS = 128
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TOOL_KEYS = frozenset({"type", "function"})
FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
TOOL = '{"type": "function", "function": {"name": ..., "parameters": {...}}}'


def check_declared(row: Object, pointer: str) -> Iterator[Problem]:
    """`tools`, the older `functions`, and `parallel_tool_calls` of a row or of a preference pair's input."""
    for name in ("tools", "functions"):
        yield from _check_list(row.get(name), name, f"{pointer}/{name}")
    for index, tool in enumerate(_list(row.get("tools"))):
        here = f"{pointer}/tools/{index}"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            yield wrong("tools", here, "The tool is not a function with a name.", tool, TOOL)
            continue
        yield from unknown_fields(tool, TOOL_KEYS, here)
        yield from _check_function(tool.get("function"), f"{here}/function")
    for index, function in enumerate(_list(row.get("functions"))):
        yield from _check_function(function, f"{pointer}/functions/{index}")
    parallel = row.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        where = f"{pointer}/parallel_tool_calls"
        yield wrong("tools", where, "It is not true or false.", parallel, "true or false")


def check_called(row: Object, pointer: str) -> Iterator[Problem]:
    """A warning for the first call of each tool that the row does not declare."""
    functions = [tool.get("function") for tool in of_type(row.get("tools"), dict)]
    named = of_type([*functions, *_list(row.get("functions"))], dict)
    declared = {function["name"] for function in named if isinstance(function.get("name"), str)}
    for index, message in enumerate(_list(row.get("messages"))):
        for place, name in _called(message):
            if name not in declared:
                declared.add(name)
                where, text = (
                    f"{pointer}/{index}/{place}",
                    "The row does not declare the tool that is called.",
                )
                yield wrong("tool_not_declared", where, text, name, "A tool of `tools`", fix="Declare it.")


def _check_list(value: object, name: str, pointer: str) -> Iterator[Problem]:
    if value is not None and not isinstance(value, list):
        yield wrong("tools", pointer, f"`{name}` is not a list.", value, "A list")
    elif isinstance(value, list) and len(value) > MAX_TOOLS:
        found, expected = f"{len(value)} tools", f"At most {MAX_TOOLS}"
        yield wrong("tools", pointer, "There are too many tools.", found, expected)


def _check_function(function: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        yield wrong("tools", pointer, "The tool is not a function with a name.", function, TOOL)
        return
    yield from unknown_fields(function, FUNCTION_KEYS, pointer)
    if not TOOL_NAME.fullmatch(function["name"]):
        text, expected = "The name of a tool is not one that can be called.", TOOL_NAME.pattern
        yield wrong("tools", f"{pointer}/name", text, function["name"], expected)
    if not isinstance(function.get("description") or "", str):
        text = "The description is not a text."
        yield wrong("tools", f"{pointer}/description", text, function["description"], "A text")
    if not _is_schema(function.get("parameters")):
        text = "The parameters are not a JSON schema."
        yield wrong("tools", f"{pointer}/parameters", text, function["parameters"], '{"type": "object", ...}')
    if not isinstance(function.get("strict") or False, bool):
        text = "`strict` is not true or false."
        yield wrong("tools", f"{pointer}/strict", text, function["strict"], "true or false")


def _is_schema(parameters: object) -> bool:
    if parameters is None:
        return True
    return isinstance(parameters, dict) and isinstance(parameters.get("properties") or {}, dict)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _called(message: object) -> Iterator[tuple[str, str]]:
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return
    for index, call in enumerate(_list(message.get("tool_calls"))):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield f"tool_calls/{index}/function/name", function["name"]
    function = message.get("function_call")
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        yield "function_call/name", function["name"]
