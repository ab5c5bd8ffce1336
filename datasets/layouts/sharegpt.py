"""ShareGPT: `conversations` of turns with `from` and `value`; some tools add `system` and `tools`.

Calls of functions are written as LLaMA-Factory has them: a turn `function_call` with JSON, answered by a turn
`observation`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from datasets.layouts import Converted, NotInLayout
from datasets.layouts.columns import message
from finetuning.strict_json import StrictJSONError, loads, shown

KEYS = frozenset({"conversations", "system", "tools"})
TURN_KEYS = frozenset({"from", "value", "role", "content", "weight"})
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
CALL = "function_call"
ANSWERS = frozenset({"observation", "tool", "function_response"})
TURN = '{"from": "human", "value": ...}'
EXPECTED_CALL = '{"name": ..., "arguments": {...}}, or a list of them'


def convert(row: Mapping[str, Any]) -> Converted:
    """The row as a conversation. Raises NotInLayout."""
    turns = row.get("conversations")
    if not isinstance(turns, list):
        found = shown(", ".join(row))
        raise NotInLayout("The row has no list `conversations`.", found=found, expected=f"[{TURN}, ...]")
    messages = [message("system", row["system"])] if row.get("system") else []
    messages += _Turns().messages(turns)
    value: dict[str, object] = {"messages": messages}
    if tools := _tools(row.get("tools")):
        value["tools"] = tools
    return Converted(value=value, unused=(*_unused(row, KEYS), *_unused_in_turns(turns)))


def _unused(holder: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    return (key for key in holder if key not in known)


def _unused_in_turns(turns: list[Any]) -> Iterator[str]:
    for turn in turns:
        yield from (f"conversations/*/{key}" for key in _unused(turn, TURN_KEYS))


class _Turns:
    """Takes the turns of one conversation one after the other; an answer is to the oldest open call."""

    def __init__(self) -> None:
        self.calls = 0
        self.waiting: list[str] = []

    def messages(self, turns: list[Any]) -> list[dict[str, Any]]:
        return [self._message(turn, f"/conversations/{index}") for index, turn in enumerate(turns)]

    def _message(self, turn: object, pointer: str) -> dict[str, Any]:
        if not isinstance(turn, dict):
            raise NotInLayout("A turn is not an object.", pointer=pointer, found=shown(turn), expected=TURN)
        speaker, said = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
        if speaker == CALL:
            return {"role": "assistant", "tool_calls": self._called(said, f"{pointer}/value")}
        if isinstance(speaker, str) and speaker in ANSWERS:
            return {**message("tool", said), **self._answered()}
        role = ROLES.get(speaker, speaker) if isinstance(speaker, str) else speaker
        weight = {"weight": turn["weight"]} if "weight" in turn else {}
        return {"role": role, "content": said, **weight}

    def _called(self, said: object, pointer: str) -> list[dict[str, Any]]:
        calls = _from_json(said, pointer)
        self.waiting = []
        return [self._call(call, pointer) for call in (calls if isinstance(calls, list) else [calls])]

    def _call(self, call: object, pointer: str) -> dict[str, Any]:
        if not isinstance(call, dict) or "name" not in call:
            raise NotInLayout(
                "A call has no name.", pointer=pointer, found=shown(call), expected=EXPECTED_CALL
            )
        self.calls += 1
        self.waiting.append(f"call_{self.calls}")
        arguments = call.get("arguments", {})
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return {
            "id": f"call_{self.calls}",
            "type": "function",
            "function": {"name": call["name"], "arguments": text},
        }

    def _answered(self) -> dict[str, str]:
        return {"tool_call_id": self.waiting.pop(0)} if self.waiting else {}


def _tools(tools: object) -> object:
    """What is declared: a list of functions, or a text that holds one."""
    declared = _from_json(tools, "/tools") if tools else None
    if not isinstance(declared, list):
        return declared
    return [_tool(tool) for tool in declared]


def _tool(tool: object) -> object:
    is_function = isinstance(tool, dict) and "name" in tool and "function" not in tool
    return {"type": "function", "function": tool} if is_function else tool


def _from_json(said: object, pointer: str) -> object:
    """The value that a text holds; what is no text is the value itself."""
    if not isinstance(said, str):
        return said
    try:
        return loads(said.encode())
    except StrictJSONError as error:
        raise NotInLayout(
            f"The text should hold JSON: {error.message}", pointer=pointer, found=shown(said), expected="JSON"
        ) from None
