"""The rules for calls of tools and functions, and for the answers to them."""

import json
from collections.abc import Iterator
from typing import Any

from datasets.problems import Problem
from datasets.validation.findings import Object, of_type, unknown_fields, wrong

CALL = '{"id": ..., "type": "function", "function": {"name": ..., "arguments": "{...}"}}'
CALL_KEYS = frozenset({"id", "type", "function"})
FUNCTION_CALL_KEYS = frozenset({"name", "arguments"})


def check_calls(message: Object, pointer: str) -> Iterator[Problem]:
    """The calls that a message makes; only the assistant makes any."""
    is_assistant = message.get("role") == "assistant"
    calls, where = message.get("tool_calls"), f"{pointer}/tool_calls"
    if calls is not None and not is_assistant:
        yield wrong("tool_calls", where, "Only the assistant calls tools.", calls, "No calls")
    elif calls is not None and not (isinstance(calls, list) and calls):
        yield wrong("tool_calls", where, "There is no list of calls.", calls, "A list of calls")
    else:
        yield from _check_each(calls or [], where)
    function_call, where = message.get("function_call"), f"{pointer}/function_call"
    if function_call is not None and not is_assistant:
        yield wrong("function_call", where, "Only the assistant calls functions.", function_call, "No call")
    elif function_call is not None:
        yield from _check_function_call(function_call, where, "function_call")


def _check_each(calls: list[object], pointer: str) -> Iterator[Problem]:
    known: set[str] = set()
    for index, call in enumerate(calls):
        here = f"{pointer}/{index}"
        if not isinstance(call, dict):
            yield wrong("tool_calls", here, "The call is not an object.", call, CALL)
            continue
        yield from unknown_fields(call, CALL_KEYS, here)
        yield from _check_id(call.get("id"), known, f"{here}/id")
        if call.get("type") != "function":
            message = "The type of the call is missing or not known."
            yield wrong("tool_calls", f"{here}/type", message, call.get("type"), "function")
        yield from _check_function_call(call.get("function"), f"{here}/function", "tool_calls")


def _check_id(call_id: object, known: set[str], pointer: str) -> Iterator[Problem]:
    if not isinstance(call_id, str) or not call_id:
        yield wrong("tool_calls", pointer, "The call has no id.", call_id, "A text that is used once")
    elif call_id in known:
        message = "Two calls of one message have the same id."
        yield wrong("tool_calls", pointer, message, call_id, "A text that is used once")
    else:
        known.add(call_id)


def _check_function_call(call: object, pointer: str, code: str) -> Iterator[Problem]:
    if not isinstance(call, dict):
        yield wrong(code, pointer, "The call is not complete.", call, CALL)
        return
    yield from unknown_fields(call, FUNCTION_CALL_KEYS, pointer)
    name, arguments = call.get("name"), call.get("arguments")
    if not isinstance(name, str) or not name:
        yield wrong(code, f"{pointer}/name", "The function has no name.", name, "A text")
    where = f"{pointer}/arguments"
    if not isinstance(arguments, str):
        message = "The arguments are not a text that holds JSON."
        yield wrong(code, where, message, arguments, '"{...}"', fix="Write the JSON object as a text.")
    elif not _is_json_object(arguments):
        message = "The arguments are not a JSON object, so the model learns to write calls that fail."
        yield wrong("arguments_json", where, message, arguments, '"{...}"', fix="Correct the JSON.")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def call_ids(message: object) -> list[str]:
    """The ids of the calls that a message of the assistant makes."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return []
    return [
        call["id"] for call in of_type(message.get("tool_calls"), dict) if isinstance(call.get("id"), str)
    ]


def check_answers(messages: list[Any], pointer: str) -> Iterator[Problem]:
    """Each tool message answers an earlier call, and each call is answered before somebody else speaks."""
    known: set[str] = set()
    waiting: dict[str, str] = {}
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        if message.get("role") == "tool":
            yield from _check_answer(message.get("tool_call_id"), known, f"{pointer}/{index}/tool_call_id")
            waiting.pop(str(message.get("tool_call_id")), None)
            continue
        yield from _unanswered(waiting)
        waiting = dict.fromkeys(call_ids(message), f"{pointer}/{index}/tool_calls")
        known |= waiting.keys()
        if message.get("tool_call_id") is not None:
            where, text = f"{pointer}/{index}/tool_call_id", "Only a tool's message answers a call."
            yield wrong("tool_call_id", where, text, message["tool_call_id"], "No id")


def _check_answer(answered: object, known: set[str], pointer: str) -> Iterator[Problem]:
    if not isinstance(answered, str) or answered not in known:
        expected = "An earlier call's id"
        yield wrong("tool_call_id", pointer, "No earlier call has this id.", answered, expected)


def _unanswered(waiting: dict[str, str]) -> Iterator[Problem]:
    for call_id, where in waiting.items():
        message = "The conversation goes on although this call has no answer."
        expected = "A tool message with this tool_call_id"
        yield wrong("no_tool_answer", where, message, call_id, expected, fix="Add the tool's answer.")
