"""Rows of the vendor's shape in the shapes of other tools, where they can say the same."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
Message = Mapping[str, Any]

_SPEAKERS = {"user": "human", "assistant": "gpt"}


class NotRepresentable(Exception):
    """A row says something for which the other shape has no place."""


def as_it_is(row: Row) -> Row:
    return row


def prompt_and_completion(row: Row) -> Row:
    """`{prompt, completion}`, perhaps with `system`: one question and its answer."""
    system, turns = _plain_turns(row)
    if len(turns) != 1:
        raise NotRepresentable("it is not one question with its answer.")
    [(prompt, completion)] = turns
    return {**system, "prompt": prompt, "completion": completion}


def messages_and_tools(row: Row) -> Row:
    """`{messages, tools}`, both as JSON; without tools an empty list, since an empty cell is no JSON."""
    _refuse_fields(row, {"messages", "tools"})
    return {key: json.dumps(row.get(key) or [], ensure_ascii=False) for key in ("messages", "tools")}


def alpaca(row: Row) -> Row:
    """`{instruction, input, output}`, perhaps with `system` and `history`."""
    system, turns = _plain_turns(row)
    *history, (instruction, output) = turns
    earlier = {"history": [list(turn) for turn in history]} if history else {}
    return {"instruction": instruction, "input": "", "output": output, **system, **earlier}


def sharegpt(row: Row) -> Row:
    """`{conversations: [{from, value}]}`, perhaps with `system`, `tools` and LLaMA-Factory's calls."""
    _refuse_fields(row, {"messages", "tools"})
    system, messages = _without_system(row["messages"])
    waiting: list[str] = []
    turns = [turn for message in messages for turn in _sharegpt_turns(message, waiting)]
    declared = [tool["function"] for tool in row.get("tools") or ()]
    tools = {"tools": json.dumps(declared, ensure_ascii=False)} if declared else {}
    return {"conversations": turns, **system, **tools}


def _sharegpt_turns(message: Message, waiting: list[str]) -> Iterator[Row]:
    """`waiting` holds the ids of the calls that have no answer yet; an answer has no id here."""
    if message["role"] == "tool":
        if not waiting or message["tool_call_id"] != waiting.pop(0):
            raise NotRepresentable("tools answer in another order than they are called.")
        _refuse_fields(message, {"role", "content", "tool_call_id"})
        yield {"from": "observation", "value": _text(message)}
    elif message.get("tool_calls"):
        _refuse_fields(message, {"role", "tool_calls", "content"})
        if message.get("content") is not None:
            raise NotRepresentable("a message both speaks and calls a tool.")
        waiting[:] = [call["id"] for call in message["tool_calls"]]
        called = [_called(call["function"]) for call in message["tool_calls"]]
        value = json.dumps(called if len(called) > 1 else called[0], ensure_ascii=False)
        yield {"from": "function_call", "value": value}
    else:
        _refuse_fields(message, {"role", "content", "weight"})
        weight = {} if message.get("weight") is None else {"weight": message["weight"]}
        yield {"from": _speaker(message["role"]), "value": _text(message), **weight}


def _speaker(role: str) -> str:
    if role not in _SPEAKERS:
        raise NotRepresentable(f"a {role} speaks where only user and assistant can.")
    return _SPEAKERS[role]


def _called(function: Mapping[str, Any]) -> Row:
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        arguments = function["arguments"]
    return {"name": function["name"], "arguments": arguments}


def _plain_turns(row: Row) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The system prompt, and questions with their answers, of a conversation in words only."""
    _refuse_fields(row, {"messages"})
    system, messages = _without_system(row["messages"])
    roles = [message["role"] for message in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise NotRepresentable("user and assistant do not take turns.")
    for message in messages:
        _refuse_fields(message, {"role", "content"})
    texts = [_text(message) for message in messages]
    return system, list(zip(texts[::2], texts[1::2], strict=True))


def _without_system(messages: list[Message]) -> tuple[dict[str, str], list[Message]]:
    if messages and messages[0]["role"] == "system":
        _refuse_fields(messages[0], {"role", "content"})
        if not _text(messages[0]):
            raise NotRepresentable("its system prompt is empty, which would be none.")
        return {"system": _text(messages[0])}, messages[1:]
    return {}, messages


def _text(message: Message) -> str:
    content = message.get("content")
    if not isinstance(content, str):
        raise NotRepresentable("a message is not plain text.")
    return content


def _refuse_fields(value: Mapping[str, Any], known: set[str]) -> None:
    """A field that is null is one that is not there. Raises NotRepresentable for any other."""
    others = sorted(key for key in value.keys() - known if value[key] is not None)
    if others:
        raise NotRepresentable(f"there is no place for `{others[0]}`.")
