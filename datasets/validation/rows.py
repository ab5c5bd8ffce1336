"""The three kinds of rows: conversations, preference pairs, and prompts for a grader."""

from collections.abc import Iterator
from typing import Any

from datasets.problems import Problem
from datasets.validation import calls, messages, parts, tools
from datasets.validation.findings import Object, of_type, unknown_fields, wrong

MAX_MESSAGES = 1_000
CHAT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
PREFERENCE_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
INPUT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
CHAT_ROLES = ("system", "user", "assistant", "tool", "function")
GRADED_ROLES = ("developer", "user", "assistant", "tool")
PROMPT_ROLES = ("user", "developer")


def is_graded_prompt(row: Object) -> bool:
    """Whether the row ends with a question and has fields of its own, which a grader reads as `item.*`."""
    asked = of_type(row.get("messages"), dict)
    return bool(asked) and asked[-1].get("role") in PROMPT_ROLES and not row.keys() <= CHAT_KEYS


def check_chat(row: Object) -> Iterator[Problem]:
    """A conversation that ends with the answer to be learned."""
    yield from unknown_fields(row, CHAT_KEYS, "")
    yield from tools.check_declared(row, "")
    asked = row.get("messages")
    yield from _check_messages(asked, "/messages", CHAT_ROLES)
    if isinstance(asked, list) and asked:
        yield from _check_answer(asked)
    yield from _check_whole(row)


def check_preference(row: Object) -> Iterator[Problem]:
    """A prompt, an answer that is preferred, and one that is not: text only, one message each."""
    yield from unknown_fields(row, PREFERENCE_KEYS, "")
    prompt = row.get("input")
    if isinstance(prompt, dict):
        yield from unknown_fields(prompt, INPUT_KEYS, "/input")
        yield from tools.check_declared(prompt, "/input")
        yield from _check_messages(prompt.get("messages"), "/input/messages", CHAT_ROLES)
        yield from parts.check_no_images(prompt.get("messages"), "/input/messages")
    else:
        yield wrong("messages", "/input", "The prompt is missing.", prompt, '{"messages": [...]}')
    for name in ("preferred_output", "non_preferred_output"):
        yield from _check_output(row.get(name), f"/{name}")
    yield from _check_difference(row)
    yield from messages.check_special_tokens(row)


def check_reinforcement(row: Object) -> Iterator[Problem]:
    """A conversation that ends with a question; every other field is left to the grader."""
    yield from tools.check_declared(row, "")
    yield from _check_messages(row.get("messages"), "/messages", GRADED_ROLES)
    yield from _check_whole(row)


def _check_whole(row: Object) -> Iterator[Problem]:
    yield from parts.check_image_count(row.get("messages"), "/messages")
    yield from tools.check_called(row, "/messages")
    yield from messages.check_special_tokens(row)


def _check_output(output: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(output, list) or len(output) != 1:
        message = "It does not hold exactly one message."
        yield wrong("messages", pointer, message, output, "A list of one message")
        return
    yield from _check_messages(output, pointer, CHAT_ROLES)
    role = output[0].get("role") if isinstance(output[0], dict) else None
    if role in CHAT_ROLES and role != "assistant":
        message = "The answer is not the assistant's."
        yield wrong("role", f"{pointer}/0/role", message, role, "assistant")


def _check_difference(row: Object) -> Iterator[Problem]:
    preferred = row.get("preferred_output")
    if isinstance(preferred, list) and preferred and preferred == row.get("non_preferred_output"):
        message = "Both answers are the same, so nothing can be learned from their difference."
        yield wrong("same_outputs", "/non_preferred_output", message, preferred[0], "Another answer")


def _check_messages(asked: object, pointer: str, roles: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(asked, list) or not asked:
        expected = "A list with at least one message"
        yield wrong("messages", pointer, "There is no list of messages.", asked, expected)
        return
    if len(asked) > MAX_MESSAGES:
        found = f"{len(asked)} messages"
        message = "There are too many messages."
        yield wrong("too_many_messages", pointer, message, found, f"At most {MAX_MESSAGES}")
        return
    for index, message in enumerate(asked):
        yield from messages.check_message(message, f"{pointer}/{index}", roles)
    yield from calls.check_answers(asked, pointer)


def _check_answer(asked: list[Any]) -> Iterator[Problem]:
    """There is something to learn: the last message is the assistant's, and one of its messages counts."""
    last = asked[-1]
    role = last.get("role") if isinstance(last, dict) else last
    if role in CHAT_ROLES and role != "assistant":
        where = f"/messages/{len(asked) - 1}/role"
        message = "The conversation does not end with the assistant."
        fix = "Remove what follows the last answer, or add the answer that is to be learned."
        yield wrong("role", where, message, role, "assistant", fix=fix)
    answers = [message for message in of_type(asked, dict) if message.get("role") == "assistant"]
    if answers and all(_is_zero(answer.get("weight")) for answer in answers):
        message = "Every answer has weight 0, so nothing is learned."
        yield wrong("weight", "/messages", message, 0, "A weight of 1", fix="Give one answer the weight 1.")


def _is_zero(weight: object) -> bool:
    return weight == 0 and not isinstance(weight, bool)
