"""Mechanical repairs: what can be mended without knowing what the author meant to say.

`repair` mends one problem, `repair_row` all that can be. Both leave their input as it is.
"""

import ast
import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from datasets.validation import calls, check_row, messages, parts, rows, tools

Container = dict[str, Any] | list[Any]

_KNOWN_KEYS = (
    rows.CHAT_KEYS
    | rows.PREFERENCE_KEYS
    | messages.MESSAGE_KEYS
    | calls.CALL_KEYS
    | calls.FUNCTION_CALL_KEYS
    | tools.FUNCTION_KEYS
    | parts.IMAGE_KEYS
)
# OpenAI's API description once called the outputs of a preference pair by the names on the left.
_OTHER_KEYS = {
    "preferred_completion": "preferred_output",
    "non_preferred_completion": "non_preferred_output",
}
_OTHER_ROLES = {
    "human": "user",
    "ai": "assistant",
    "bot": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}
# Names of text parts in the Responses API.
_TEXT_PARTS = ("input_text", "output_text")
# A mended value can show what was hidden behind it: a message that was no object has rules of its own.
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class RepairedRow:
    """A row after its repairs, which problems they mended, and which are left."""

    value: object
    mended: list[Problem]
    left: list[Problem]


@dataclass(frozen=True)
class _Place:
    """Where a problem is: `key` of `holder`, which may be missing there; `path` leads to it from `row`."""

    row: dict[str, Any]
    path: list[str]
    holder: Container
    key: Any

    @property
    def value(self) -> Any:
        known = isinstance(self.holder, list) or self.key in self.holder
        return self.holder[self.key] if known else None

    def put(self, value: object) -> bool:
        self.holder[self.key] = value
        return True

    def drop(self) -> bool:
        """Take the key away. An element of a list is not dropped: that would change what is said."""
        return isinstance(self.holder, dict) and self.holder.pop(self.key, self) is not self


def repair(row: object, problem: Problem) -> object:
    """A copy of `row` with `problem` mended; `row` itself where no mechanical repair is known."""
    mend = _REPAIRS.get(problem.code)
    if mend is None or not isinstance(row, dict):
        return row
    copy = deepcopy(row)
    place = _find(copy, problem.pointer)
    return copy if place is not None and mend(place, problem) else row


def repair_row(row: object, *, line: int) -> RepairedRow:
    """All mechanical repairs of one row. A repair that does not mend its problem is not made."""
    mended: list[Problem] = []
    left = check_row(row, line=line)
    for _ in range(_ROUNDS):
        before = len(mended)
        for problem in left:
            candidate = repair(row, problem)
            if candidate is not row and not _has(candidate, problem):
                row = candidate
                mended.append(problem)
        left = check_row(row, line=line)
        if len(mended) == before:
            break
    return RepairedRow(value=row, mended=mended, left=left)


def _has(row: object, problem: Problem) -> bool:
    found = check_row(row, line=problem.line or 0)
    return any((one.code, one.pointer) == (problem.code, problem.pointer) for one in found)


def _find(row: dict[str, Any], pointer: str) -> _Place | None:
    if not pointer.startswith("/") or len(pointer) >= MAX_POINTER_CHARACTERS:
        return None
    path = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
    holder: Any = row
    for step in path[:-1]:
        holder = _step(holder, step)
    last: Any = path[-1]
    if isinstance(holder, dict):
        return _Place(row, path, holder, last)
    if isinstance(holder, list) and last.isdecimal() and int(last) < len(holder):
        return _Place(row, path, holder, int(last))
    return None


def _step(holder: Any, step: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(step)
    if isinstance(holder, list) and step.isdecimal() and int(step) < len(holder):
        return holder[int(step)]
    return None


def _mend_key(place: _Place, problem: Problem) -> bool:
    """Correct the spelling of a key (`toolCalls`, ` Role`), else leave the field out."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(place.key).strip()).lower()
    name = _OTHER_KEYS.get(snake, snake)
    if isinstance(place.holder, dict) and name in _KNOWN_KEYS and name not in place.holder:
        place.holder[name] = place.holder.pop(place.key)
        return True
    return place.drop()


def _mend_role(place: _Place, problem: Problem) -> bool:
    """`User ` is `user`, `human` is `user`; `developer` is `system`, or the other way in graded prompts."""
    if not isinstance(place.value, str):
        return False
    plain = place.value.strip().lower()
    if plain == place.value and problem.expected in {"system", "developer"}:
        return place.put(problem.expected)
    role = _OTHER_ROLES.get(plain, plain)
    return role != place.value and place.put(role)


def _mend_content(place: _Place, problem: Problem) -> bool:
    """Numbers become text, a part alone a list of parts, a text among the parts a part."""
    value = place.value
    if isinstance(place.holder, list):
        return _mend_part(place)
    if isinstance(value, dict):
        return place.put([value])
    if isinstance(value, bool | int | float):
        return place.put(json.dumps(value))
    return False


def _mend_part(place: _Place) -> bool:
    value = place.value
    if isinstance(value, str):
        return place.put({"type": "text", "text": value})
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        kind = value.get("type")
        return (kind is None or kind in _TEXT_PARTS) and place.put(value | {"type": "text"})
    return False


def _mend_weight(place: _Place, problem: Problem) -> bool:
    """`"1"`, `true` and `1.0` are 1; a weight of somebody else's message, or null, is left out."""
    if problem.expected == "No weight" or place.value is None:
        return place.drop()
    number = {"0": 0, "1": 1, "false": 0, "true": 1, "0.0": 0, "1.0": 1}.get(str(place.value).strip().lower())
    return number is not None and place.put(number)


def _mend_name(place: _Place, problem: Problem) -> bool:
    if isinstance(place.value, int) and not isinstance(place.value, bool):
        return place.put(str(place.value))
    return place.value == "" and place.drop()


def _mend_name_pattern(place: _Place, problem: Problem) -> bool:
    name = messages.NAME_FORBIDS.sub("_", str(place.value).strip())
    return place.put(name[: messages.MAX_NAME_CHARACTERS])


def _mend_messages(place: _Place, problem: Problem) -> bool:
    """What trainers of other makers write: a text, or one message, in place of a list of messages."""
    value = place.value
    speaker = "user" if place.key == "input" else "assistant"
    if place.key not in rows.PREFERENCE_KEYS | {"messages"}:
        return False
    if isinstance(value, str) and place.key != "messages":
        value = [{"role": speaker, "content": value}]
    elif isinstance(value, dict) and "role" in value:
        value = [value]
    if not isinstance(value, list) or (value is place.value and place.key != "input"):
        return False
    return place.put({"messages": value} if place.key == "input" else value)


def _mend_tool_calls(place: _Place, problem: Problem) -> bool:
    if place.key == "id":
        return _new_call_id(place)
    if place.key == "type" and place.value is None:
        return place.put("function")
    if place.key == "arguments":
        return _mend_arguments(place)
    if place.key == "tool_calls" and isinstance(place.value, dict):
        return place.put([place.value])
    return place.key == "tool_calls" and place.value == [] and place.drop()


def _new_call_id(place: _Place) -> bool:
    """An id made of the places of message and call: `call_1_0`; none for an id that is merely used twice."""
    if place.value:
        return False
    numbers = [step for step in place.path if step.isdecimal()]
    return place.put("_".join(["call", *numbers]))


def _mend_arguments(place: _Place) -> bool:
    value = place.value
    if value is None:
        return place.put("{}")
    return not isinstance(value, str) and place.put(json.dumps(value, ensure_ascii=False))


def _mend_function_call(place: _Place, problem: Problem) -> bool:
    return place.key == "arguments" and _mend_arguments(place)


def _mend_arguments_json(place: _Place, problem: Problem) -> bool:
    """Arguments in Python's notation (`{'a': True}`) become JSON; white space around JSON does not count."""
    try:
        value = ast.literal_eval(place.value.strip()) if place.value.strip() else {}
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return isinstance(value, dict) and place.put(text)


def _mend_tool_call_id(place: _Place, problem: Problem) -> bool:
    """The id of the first call before it that no other message answers; no id outside tool messages."""
    if isinstance(place.holder, dict) and place.holder.get("role") != "tool":
        return place.drop()
    spoken = _messages_of(place)
    # A list: an id that is wrong may be of a kind that is in no set.
    answered = [message.get("tool_call_id") for message in spoken if message is not place.holder]
    before = next(index for index, message in enumerate(spoken) if message is place.holder)
    open_calls = (call for message in spoken[:before] for call in calls.call_ids(message))
    call_id = next((call for call in open_calls if call not in answered), None)
    return call_id is not None and place.put(call_id)


def _messages_of(place: _Place) -> list[dict[str, Any]]:
    """The messages among which the place lies; those that are no objects stand as empty ones."""
    found: Any = place.row
    for step in place.path[:-2]:
        found = _step(found, step)
    return [message if isinstance(message, dict) else {} for message in found]


def _mend_tools(place: _Place, problem: Problem) -> bool:
    """A function on its own is put into a tool; words for true and false become true and false."""
    value = place.value
    if isinstance(place.holder, list) and isinstance(value, dict):
        bare = {key: item for key, item in value.items() if key != "type"}
        if "name" in bare:
            return place.put({"type": "function", "function": bare})
        return "function" in bare and value.get("type") is None and place.put(value | {"type": "function"})
    if place.key in {"tools", "functions"} and isinstance(value, dict):
        return place.put([value])
    if place.key in {"parallel_tool_calls", "strict"}:
        word = {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())
        return word is not None and place.put(word)
    return False


def _mend_special_token(place: _Place, problem: Problem) -> bool:
    if not isinstance(place.value, str):
        return False
    return place.put(messages.SPECIAL_TOKEN.sub("", place.value))


def _mend_white_space(place: _Place, problem: Problem) -> bool:
    return place.put(place.value.strip())


def _mend_refusal(place: _Place, problem: Problem) -> bool:
    return place.value in ("", False) and place.drop()


_REPAIRS: dict[str, Callable[[_Place, Problem], bool]] = {
    "arguments_json": _mend_arguments_json,
    "content": _mend_content,
    "function_call": _mend_function_call,
    "messages": _mend_messages,
    "name": _mend_name,
    "name_pattern": _mend_name_pattern,
    "refusal": _mend_refusal,
    "role": _mend_role,
    "special_token": _mend_special_token,
    "tool_call_id": _mend_tool_call_id,
    "tool_calls": _mend_tool_calls,
    "tools": _mend_tools,
    "unknown_field": _mend_key,
    "weight": _mend_weight,
    "white_space": _mend_white_space,
}

REPAIRABLE = frozenset(_REPAIRS)
