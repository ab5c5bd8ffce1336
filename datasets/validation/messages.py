"""The rules for a single message: its role, content, weight and name."""

import re
from collections.abc import Iterator

from datasets.problems import Problem
from datasets.validation import calls, parts
from datasets.validation.findings import Object, Rule, unknown_fields, walk, wrong

MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"}
)
MAX_NAME_CHARACTERS = 64
# What the chat API answers a name with that it does not take.
NAME_FORBIDS = re.compile(r"[\s<|\\/>]")
# The vendor refuses files that contain one anywhere in a message.
SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep))\|>"
)


def check_message(message: object, pointer: str, roles: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with one message of a row in which `roles` may speak."""
    if not isinstance(message, dict):
        expected = '{"role": ..., "content": ...}'
        yield wrong("messages", pointer, "The message is not an object.", message, expected)
        return
    yield from unknown_fields(message, MESSAGE_KEYS, pointer)
    yield from _check_role(message, pointer, roles)
    for rule in RULES:
        yield from rule(message, pointer)


def check_special_tokens(row: Object) -> Iterator[Problem]:
    """The texts of a row, keys included, that hold a token of the vendor's own chat format."""
    for pointer, key, value in walk(row):
        found = [match.group() for match in SPECIAL_TOKEN.finditer(key)]
        if isinstance(value, str) and (match := SPECIAL_TOKEN.search(value)):
            found.append(match.group())
        for token in found:
            message = "The text contains a special token."
            fix = "Remove the token; the provider refuses files that contain one."
            yield wrong("special_token", pointer, message, token, "Text without it", fix=fix)


def _check_role(message: Object, pointer: str, roles: tuple[str, ...]) -> Iterator[Problem]:
    role = message.get("role")
    if role in roles:
        return
    where = f"{pointer}/role"
    other = {"developer": "system", "system": "developer"}.get(role) if isinstance(role, str) else None
    if other is not None:
        text, fix = f"The role `{role}` is not known in rows of this kind.", f"Write `{other}` instead."
        yield wrong("role", where, text, role, other, fix=fix)
    else:
        yield wrong("role", where, "The role is missing or not known.", role, " | ".join(roles))


def _check_content(message: Object, pointer: str) -> Iterator[Problem]:
    content, role = message.get("content"), message.get("role")
    pointer = f"{pointer}/content"
    has_calls = bool(message.get("tool_calls") or message.get("function_call") or message.get("refusal"))
    if isinstance(content, list) and content:
        yield from parts.check_parts(content, role, pointer)
    elif isinstance(content, str):
        if role == "assistant":
            yield from _check_answer_text(content, pointer, has_calls=has_calls)
    elif content is not None or not has_calls or role != "assistant":
        yield wrong("content", pointer, "The message has no text.", content, "A text")


def _check_answer_text(content: str, pointer: str, *, has_calls: bool) -> Iterator[Problem]:
    if not content and not has_calls:
        yield wrong("content", pointer, "The assistant says nothing.", content, "A text")
    elif content and (content[0].isspace() or content[-1].isspace()):
        text = "The answer begins or ends with white space, which is learned too."
        found = content if content[0].isspace() else content[-80:]
        yield wrong("white_space", pointer, text, found, "Text without it", fix="Remove it.")


def _check_refusal(message: Object, pointer: str) -> Iterator[Problem]:
    refusal = message.get("refusal")
    if refusal is None:
        return
    where = f"{pointer}/refusal"
    if message.get("role") != "assistant":
        yield wrong("refusal", where, "Only the assistant refuses.", refusal, "No refusal")
    elif not isinstance(refusal, str):
        yield wrong("refusal", where, "The refusal is not a text.", refusal, "A text, or null")


def _check_weight(message: Object, pointer: str) -> Iterator[Problem]:
    if "weight" not in message:
        return
    weight, where = message["weight"], f"{pointer}/weight"
    if message.get("role") != "assistant":
        yield wrong("weight", where, "Only the assistant's messages have a weight.", weight, "No weight")
    elif isinstance(weight, bool) or weight not in (0, 1):
        yield wrong("weight", where, "The weight is neither 0 nor 1.", weight, "0 or 1")


def _check_name(message: Object, pointer: str) -> Iterator[Problem]:
    name, where = message.get("name"), f"{pointer}/name"
    if name is None:
        if message.get("role") == "function":
            text = "A function's answer needs its name."
            yield wrong("name", where, text, name, "The function's name")
    elif not isinstance(name, str) or not name:
        yield wrong("name", where, "The name is not a text.", name, "A text")
    elif len(name) > MAX_NAME_CHARACTERS or NAME_FORBIDS.search(name):
        text = "A model that is asked with this name would not answer."
        expected = f"At most {MAX_NAME_CHARACTERS} characters without spaces and < | \\ / >"
        yield wrong("name_pattern", where, text, name, expected, fix="Write another name.")


RULES: tuple[Rule, ...] = (
    _check_content,
    _check_refusal,
    _check_weight,
    _check_name,
    calls.check_calls,
)
