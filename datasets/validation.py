"""The rules for one training row. Each rule is a small function that yields problems.

Source: OpenAI's guides to supervised and direct preference fine-tuning, and the errors its file check gives.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from datasets.problems import Problem
from finetuning.strict_json import shown

MIN_EXAMPLES = 10
MAX_MESSAGES = 1_000
# A row that is all wrong needs no longer list.
MAX_PROBLEMS = 100
MAX_EXAMPLE_TOKENS = 65_536
ROLES = ("system", "user", "assistant", "tool", "function")
CHAT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
PREFERENCE_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
INPUT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"}
)
SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep))\|>"
)

Object = Mapping[str, Any]
Rule = Callable[[Object, str], Iterator[Problem]]


def method_of(row: object) -> str:
    """`dpo` for a preference pair, else `supervised`."""
    return "dpo" if isinstance(row, dict) and PREFERENCE_KEYS & row.keys() else "supervised"


def check_row(row: object, *, line: int) -> list[Problem]:
    """What is wrong with one row, each with its JSON pointer; empty for a good one."""
    if not isinstance(row, dict):
        return [_not_an_object(row, line)]
    check = _check_preference if method_of(row) == "dpo" else _check_chat
    return [replace(problem, line=line) for problem in islice(check(row), MAX_PROBLEMS)]


def digest(row: object) -> bytes:
    """The same 32 bytes for rows that say the same, however their keys are ordered."""
    canonical = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()


def check_size(*, examples: int) -> Iterator[Problem]:
    """What concerns the file as a whole: whether there are enough examples."""
    if examples == 0:
        yield Problem(
            code="no_examples",
            message="The file holds no example that can be trained on.",
            expected=f"At least {MIN_EXAMPLES} examples",
            fix="See the problems of the single lines.",
        )
    elif examples < MIN_EXAMPLES:
        yield Problem(
            code="min_examples",
            message=f"The file holds {examples} examples.",
            found=str(examples),
            expected=f"At least {MIN_EXAMPLES}",
            fix="Add examples; 50 to 100 good ones are a useful start.",
        )


def _not_an_object(row: object, line: int) -> Problem:
    return Problem(
        code="not_object",
        line=line,
        message="The row is not a JSON object.",
        found=shown(row),
        expected='{"messages": [...]}',
        fix="Write one JSON object on each line.",
    )


def _check_chat(row: Object) -> Iterator[Problem]:
    yield from _unknown_fields(row, CHAT_KEYS, "")
    yield from _check_tools(row, "")
    messages = row.get("messages")
    yield from _check_messages(messages, "/messages")
    if isinstance(messages, list) and messages:
        yield from _check_answer(messages)


def _check_preference(row: Object) -> Iterator[Problem]:
    yield from _unknown_fields(row, PREFERENCE_KEYS, "")
    prompt = row.get("input")
    if isinstance(prompt, dict):
        yield from _unknown_fields(prompt, INPUT_KEYS, "/input")
        yield from _check_tools(prompt, "/input")
        yield from _check_messages(prompt.get("messages"), "/input/messages")
    else:
        yield _wrong("messages", "/input", "The prompt is missing.", prompt, '{"messages": [...]}')
    for name in ("preferred_output", "non_preferred_output"):
        yield from _check_output(row.get(name), f"/{name}")


def _check_output(output: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(output, list) or len(output) != 1:
        yield _wrong(
            "messages", pointer, "It does not hold exactly one message.", output, "A list of one message"
        )
        return
    yield from _check_messages(output, pointer)
    if isinstance(output[0], dict) and output[0].get("role") != "assistant":
        yield _wrong(
            "role", f"{pointer}/0/role", "The answer is not the assistant's.", output[0], "assistant"
        )


def _check_messages(messages: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(messages, list) or not messages:
        yield _wrong(
            "messages", pointer, "There is no list of messages.", messages, "A list with at least one message"
        )
        return
    if len(messages) > MAX_MESSAGES:
        found = f"{len(messages)} messages"
        yield _wrong(
            "too_many_messages", pointer, "There are too many messages.", found, f"At most {MAX_MESSAGES}"
        )
        return
    for index, message in enumerate(messages):
        yield from _check_message(message, f"{pointer}/{index}")
    yield from _check_tool_answers(messages, pointer)


def _check_message(message: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield _wrong(
            "messages", pointer, "The message is not an object.", message, '{"role": ..., "content": ...}'
        )
        return
    yield from _unknown_fields(message, MESSAGE_KEYS, pointer)
    for rule in MESSAGE_RULES:
        yield from rule(message, pointer)


def _check_role(message: Object, pointer: str) -> Iterator[Problem]:
    role = message.get("role")
    if role == "developer":
        problem = _wrong("role", f"{pointer}/role", "The role `developer` is not trained.", role, "system")
        yield replace(problem, fix="Write `system` instead of `developer`.")
    elif role not in ROLES:
        yield _wrong("role", f"{pointer}/role", "The role is missing or not known.", role, " | ".join(ROLES))


def _check_content(message: Object, pointer: str) -> Iterator[Problem]:
    content = message.get("content")
    pointer = f"{pointer}/content"
    has_calls = bool(message.get("tool_calls") or message.get("function_call") or message.get("refusal"))
    if isinstance(content, list) and content:
        yield from _check_parts(content, message.get("role"), pointer)
    elif isinstance(content, str):
        if not content and message.get("role") == "assistant" and not has_calls:
            yield _wrong("content", pointer, "The assistant says nothing.", content, "A text")
        if special := SPECIAL_TOKEN.search(content):
            yield _special_token(special.group(), pointer)
    elif content is not None or not has_calls or message.get("role") != "assistant":
        yield _wrong("content", pointer, "The message has no text.", content, "A text")


def _special_token(token: str, pointer: str) -> Problem:
    problem = _wrong("special_token", pointer, "The text contains a special token.", token, "Text without it")
    return replace(problem, fix="Remove the token; the provider refuses files that contain one.")


def _check_parts(parts: list[object], role: object, pointer: str) -> Iterator[Problem]:
    for index, part in enumerate(parts):
        here = f"{pointer}/{index}"
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            if special := SPECIAL_TOKEN.search(part["text"]):
                yield _special_token(special.group(), here)
        elif role == "user" and _is_image(part):
            continue
        else:
            yield _wrong(
                "content",
                here,
                "This part is not read here.",
                part,
                "A text, or in a user message an image_url",
            )


def _is_image(part: object) -> bool:
    image = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    return isinstance(image, dict) and isinstance(image.get("url"), str)


def _check_weight(message: Object, pointer: str) -> Iterator[Problem]:
    if "weight" not in message:
        return
    weight = message["weight"]
    if message.get("role") != "assistant":
        yield _wrong(
            "weight", f"{pointer}/weight", "Only the assistant's messages have a weight.", weight, "No weight"
        )
    elif isinstance(weight, bool) or weight not in (0, 1):
        yield _wrong("weight", f"{pointer}/weight", "The weight is neither 0 nor 1.", weight, "0 or 1")


def _check_name(message: Object, pointer: str) -> Iterator[Problem]:
    name = message.get("name")
    if name is not None and (not isinstance(name, str) or not name):
        yield _wrong("name", f"{pointer}/name", "The name is not a text.", name, "A text")
    if message.get("role") == "function" and name is None:
        yield _wrong(
            "name", f"{pointer}/name", "A function's answer needs its name.", name, "The function's name"
        )


def _check_calls(message: Object, pointer: str) -> Iterator[Problem]:
    calls = message.get("tool_calls")
    if calls is not None and message.get("role") != "assistant":
        yield _wrong(
            "tool_calls", f"{pointer}/tool_calls", "Only the assistant calls tools.", calls, "No calls"
        )
    elif calls is not None and not (isinstance(calls, list) and calls):
        yield _wrong(
            "tool_calls", f"{pointer}/tool_calls", "There is no list of calls.", calls, "A list of calls"
        )
    else:
        for index, call in enumerate(calls or []):
            if not _is_call(call):
                yield _wrong(
                    "tool_calls", f"{pointer}/tool_calls/{index}", "The call is not complete.", call, CALL
                )
    function_call = message.get("function_call")
    if function_call is not None and not _is_function_call(function_call):
        yield _wrong(
            "function_call", f"{pointer}/function_call", "The call is not complete.", function_call, CALL
        )


CALL = '{"id": ..., "type": "function", "function": {"name": ..., "arguments": "{...}"}}'


def _is_call(call: object) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str):
        return False
    return call.get("type", "function") == "function" and _is_function_call(call.get("function"))


def _is_function_call(call: object) -> bool:
    return (
        isinstance(call, dict)
        and isinstance(call.get("name"), str)
        and isinstance(call.get("arguments"), str)
    )


MESSAGE_RULES: tuple[Rule, ...] = (_check_role, _check_content, _check_weight, _check_name, _check_calls)


def _check_tool_answers(messages: list[Any], pointer: str) -> Iterator[Problem]:
    """A tool message answers a call that the assistant made before it."""
    known: set[str] = set()
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        if isinstance(message.get("tool_calls"), list):
            known |= {call["id"] for call in message["tool_calls"] if _is_call(call)}
        if message.get("role") == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str) or answered not in known:
                where = f"{pointer}/{index}/tool_call_id"
                yield _wrong(
                    "tool_call_id", where, "No earlier call has this id.", answered, "An earlier call's id"
                )


def _check_answer(messages: list[Any]) -> Iterator[Problem]:
    """There is something to learn: the last message is the assistant's, and one of its messages counts."""
    answers = [
        message for message in messages if isinstance(message, dict) and message.get("role") == "assistant"
    ]
    if not isinstance(messages[-1], dict) or messages[-1].get("role") != "assistant":
        found = messages[-1].get("role") if isinstance(messages[-1], dict) else messages[-1]
        where = f"/messages/{len(messages) - 1}/role"
        yield _wrong("role", where, "The conversation does not end with the assistant.", found, "assistant")
    elif all(message.get("weight") == 0 for message in answers):
        yield _wrong(
            "weight", "/messages", "Every answer has weight 0, so nothing is learned.", 0, "A weight of 1"
        )


def _check_tools(row: Object, pointer: str) -> Iterator[Problem]:
    tools = row.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else []):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        yield from _check_function(function, f"{pointer}/tools/{index}")
    functions = row.get("functions")
    for index, function in enumerate(functions if isinstance(functions, list) else []):
        yield from _check_function(function, f"{pointer}/functions/{index}")
    for name, value in (("tools", tools), ("functions", functions)):
        if value is not None and not isinstance(value, list):
            yield _wrong(name, f"{pointer}/{name}", f"`{name}` is not a list.", value, "A list")
    parallel = row.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        yield _wrong(
            "tools", f"{pointer}/parallel_tool_calls", "It is not true or false.", parallel, "true or false"
        )


def _check_function(function: object, pointer: str) -> Iterator[Problem]:
    expected = '{"type": "function", "function": {"name": ..., "parameters": {...}}}'
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        yield _wrong("tools", pointer, "The tool is not a function with a name.", function, expected)
    elif not isinstance(function.get("description") or "", str):
        yield _wrong("tools", pointer, "The description is not a text.", function["description"], "A text")
    elif not _is_schema(function.get("parameters")):
        yield _wrong(
            "tools", pointer, "The parameters are not a JSON schema.", function["parameters"], expected
        )


def _is_schema(parameters: object) -> bool:
    if parameters is None:
        return True
    return isinstance(parameters, dict) and isinstance(parameters.get("properties") or {}, dict)


def _unknown_fields(value: Object, known: frozenset[str], pointer: str) -> Iterator[Problem]:
    for key in (key for key in value if key not in known):
        escaped = key.replace("~", "~0").replace("/", "~1")
        yield replace(
            _wrong(
                "unknown_field",
                f"{pointer}/{escaped}"[:500],
                "This field is not known.",
                key,
                ", ".join(sorted(known)),
            ),
            fix="Remove the field, or correct its spelling.",
        )


def _wrong(code: str, pointer: str, message: str, found: object, expected: str) -> Problem:
    return Problem(code=code, pointer=pointer, message=message, found=shown(found), expected=expected)
