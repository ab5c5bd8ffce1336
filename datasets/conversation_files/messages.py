"""Messages as tracers keep them: of the chat API, of LangChain, or a plain question and its answer."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from datasets.conversation_files import Message, NotAConversation, Object
from datasets.validation.messages import MESSAGE_KEYS
from finetuning.strict_json import shown

# LangChain's names of the sides.
ROLES = {"human": "user", "ai": "assistant", "HumanMessage": "user", "AIMessage": "assistant"}
ROLES |= {"HumanMessageChunk": "user", "AIMessageChunk": "assistant"}
ROLES |= {"SystemMessage": "system", "ToolMessage": "tool", "FunctionMessage": "function"}
# What applications call what they ask and what they get.
QUESTIONS = ("messages", "input", "prompt", "question", "query", "text")
ANSWERS = ("message", "messages", "output", "answer", "response", "completion", "result", "text")
EXPECTED = "A text, a message, or a list of messages"


def conversation(asked: object, answered: object, *, at: tuple[str, str]) -> list[Message]:
    """What was asked and what was answered as one conversation; `at` are the pointers to both.

    An answer that repeats the question before it, as graphs give theirs, is the whole conversation. Raises
    NotAConversation.
    """
    before, after = question(asked, at=at[0]), answer(answered, at=at[1])
    return after if after[: len(before)] == before else [*before, *after]


def question(asked: object, *, at: str) -> list[Message]:
    """Messages of what was sent to a model. Raises NotAConversation."""
    if isinstance(asked, str) and asked.strip():
        return [{"role": "user", "content": asked}]
    if isinstance(asked, list):
        return _list(asked, at=at)
    if isinstance(asked, dict):
        if is_message(asked):
            return [message_of(asked)]
        if inside := _inside(asked, QUESTIONS):
            return question(asked[inside], at=f"{at}/{inside}")
    raise NotAConversation(
        "There is no question that can be read.", pointer=at, found=shown(asked), expected=EXPECTED
    )


def answer(answered: object, *, at: str) -> list[Message]:
    """Messages of what a model gave. Raises NotAConversation."""
    if isinstance(answered, str) and answered.strip():
        return [{"role": "assistant", "content": answered}]
    if isinstance(answered, list):
        return _list(answered, at=at)
    if isinstance(answered, dict):
        return _answer_inside(answered, at=at)
    raise _no_answer(answered, at=at)


def _answer_inside(answered: Object, *, at: str) -> list[Message]:
    if is_message(answered):
        return [message_of(answered)]
    if choices := answered.get("choices") or answered.get("generations"):
        name = "choices" if answered.get("choices") else "generations"
        return _first_choice(choices, at=f"{at}/{name}")
    inside = _inside(answered, ANSWERS)
    if inside is None and isinstance(answered.get("content"), str):
        return [{"role": "assistant", "content": answered["content"]}]
    if inside is None:
        raise _no_answer(answered, at=at)
    return answer(answered[inside], at=f"{at}/{inside}")


def _first_choice(choices: object, *, at: str) -> list[Message]:
    if not isinstance(choices, list) or not choices:
        raise _no_answer(choices, at=at)
    first = choices[0]
    if isinstance(first, list):
        return _first_choice(first, at=f"{at}/0")
    if isinstance(first, dict) and isinstance(first.get("message"), dict):
        return _list([first["message"]], at=f"{at}/0/message")
    return answer(first, at=f"{at}/0")


def _no_answer(found: object, *, at: str) -> NotAConversation:
    return NotAConversation(
        "There is no answer that can be read.", pointer=at, found=shown(found), expected=EXPECTED
    )


def _inside(value: Object, names: Sequence[str]) -> str | None:
    """Under which of the names something stands, or the only name that there is."""
    named = next((name for name in names if value.get(name)), None)
    texts = [name for name, one in value.items() if isinstance(one, str)]
    return named or (texts[0] if len(value) == len(texts) == 1 else None)


def _list(values: list[Any], *, at: str) -> list[Message]:
    if len(values) == 1 and isinstance(values[0], list):
        # LangChain asks several prompts at once, mostly one.
        return _list(values[0], at=f"{at}/0")
    for number, value in enumerate(values):
        if not isinstance(value, dict) or not is_message(value):
            expected = '{"role": ..., "content": ...}'
            raise NotAConversation(
                "This is not a message.", pointer=f"{at}/{number}", found=shown(value), expected=expected
            )
    if not values:
        raise NotAConversation("There are no messages.", pointer=at, found="[]", expected=EXPECTED)
    return [message_of(value) for value in values]


def is_message(value: Object) -> bool:
    """Whether it says who speaks: in the chat API's way, or in one of LangChain's."""
    return isinstance(value.get("role"), str) or (
        isinstance(_speaker(value), str) and isinstance(_fields(value), dict) and "content" in _fields(value)
    )


def message_of(value: Object) -> Message:
    """A message of the chat API. Fields without a value are left out, and those that it does not know."""
    is_plain = isinstance(value.get("role"), str)
    fields = value if is_plain else _fields(value)
    kept = {key: one for key, one in fields.items() if key in MESSAGE_KEYS and one not in (None, [])}
    message = {"role": value["role"] if is_plain else _role(value), **kept}
    if calls := list(_calls(fields)):
        message["tool_calls"] = calls
    return message


def unknown_fields(values: object) -> Iterator[str]:
    """The names of fields of messages of the chat API that have a value and are left out."""
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict) and isinstance(value.get("role"), str):
            known = MESSAGE_KEYS | {"id"}
            yield from (key for key, one in value.items() if key not in known and one not in (None, [], {}))


def _speaker(value: Object) -> object:
    if value.get("lc") and isinstance(value.get("id"), list) and value["id"]:
        return value["id"][-1]
    return value.get("type")


def _fields(value: Object) -> Any:
    """What a message of LangChain holds: serialized whole, with its type beside it, or plain."""
    return value.get("kwargs") if value.get("lc") else value.get("data", value)


def _role(value: Object) -> str:
    speaker = str(_speaker(value))
    fields = _fields(value)
    given = fields.get("role")
    return given if isinstance(given, str) else ROLES.get(speaker, speaker)


def _calls(fields: Object) -> Iterator[Message]:
    """Calls of tools in the chat API's shape; LangChain has them in its own, the vendor's beside it."""
    more = fields.get("additional_kwargs")
    vendor = more.get("tool_calls") if isinstance(more, dict) else None
    calls = vendor or fields.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and "function" not in call and "name" in call:
            arguments = json.dumps(call.get("args", {}), ensure_ascii=False)
            function = {"name": call["name"], "arguments": arguments}
            yield {"id": call.get("id") or "", "type": "function", "function": function}
        elif isinstance(call, dict):
            yield {key: one for key, one in call.items() if key != "index"}
