"""A second opinion: which lines can be trained on and how many tokens they have, by `json` and tiktoken alone.

Written from OpenAI's description of its training files, the cookbook's checks and its way to count tokens, and
from our own table of hostile files, without a look at the validator. It says yes or no, not why.
"""

import base64
import json
import math
import os
import re
from functools import cache
from unittest.mock import patch

import tiktoken

from finetuning.tokenizer import FOLDER

MAX_BYTES, MAX_DEPTH, MAX_DIGITS = 4 * 1024 * 1024, 32, 400
MAX_MESSAGES, MAX_IMAGES, MAX_TOOLS, MAX_TOKENS = 1_000, 10, 128, 128_000
ROLES = {"system", "user", "assistant", "tool", "function"}
GRADED_ROLES = {"developer", "user", "assistant", "tool"}
SPECIAL = (
    "endoftext",
    "endofprompt",
    "fim_prefix",
    "fim_middle",
    "fim_suffix",
    "im_start",
    "im_end",
    "im_sep",
)
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MESSAGE_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"}
PAIR_KEYS = {"input", "preferred_output", "non_preferred_output"}


class Refused(Exception):
    """The line cannot be trained on."""


def need(condition):
    if not condition:
        raise Refused


def accepted(data, method):
    """The tokens of each line of JSON Lines that can be trained by the method, by the line's number."""
    if is_of_wide_characters(data.split(b"\n", 1)[0] + b"\n"):
        return {}
    found, is_first = {}, True
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip(b" \t\r"):
            continue
        try:
            row = read(line)
        except Refused:
            row = Refused
        if is_first and is_array_of_rows(line, row):
            return {}
        is_first = False
        if row is not Refused and can_be_trained_on(row) and method_of(row) == method:
            found[number] = count(row)
    return found


def is_of_wide_characters(line):
    """UTF-16 or UTF-32, by their marks or by where the zeros are among the first four bytes (RFC 4627)."""
    zeros = [place for place, byte in enumerate(line[:4]) if byte == 0]
    is_marked = line[:2] in (b"\xff\xfe", b"\xfe\xff") or line[:4] == b"\0\0\xfe\xff"
    return is_marked or (len(line) >= 4 and zeros in ([1, 3], [0, 2], [1, 2, 3], [0, 1, 2]))


def is_array_of_rows(line, row):
    """Whether a file that begins with this line is an array, as one line or over several."""
    if not line.lstrip(b" \t\r").startswith(b"["):
        return False
    return any(type(item) is dict for item in row) if isinstance(row, list) else has_wrong_syntax(line)


def has_wrong_syntax(line):
    """Of a line that is no text, or is nested too deep, nobody can say."""
    try:
        json.loads(line.decode()) if b"\0" not in line else None
    except json.JSONDecodeError:
        return True
    except (UnicodeDecodeError, RecursionError, ValueError):
        return False
    return False


def read(line):
    """The strict value of a line. Raises Refused."""
    need(len(line.removesuffix(b"\r")) <= MAX_BYTES)
    try:
        text = line.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=pairs, parse_constant=number, parse_int=number, parse_float=number
        )
    except (ValueError, RecursionError):
        raise Refused from None
    walk(value, 1)
    return value


def pairs(items):
    value = dict(items)
    need(len(value) == len(items))
    return value


def number(digits):
    need(digits not in ("NaN", "Infinity", "-Infinity") and len(digits) <= MAX_DIGITS)
    need(math.isfinite(float(digits)))
    return json.loads(digits)


def walk(value, depth):
    if isinstance(value, dict | list):
        need(depth <= MAX_DEPTH)
    if isinstance(value, str):
        need("\0" not in value and not any(0xD800 <= ord(character) < 0xE000 for character in value))
    for item in (
        [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        walk(item, depth + 1)


def method_of(row):
    if row.keys() & PAIR_KEYS:
        return "dpo"
    messages = row.get("messages")
    spoken = (
        [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
    )
    has_fields = bool(row.keys() - {"messages", "tools", "parallel_tool_calls", "functions"})
    asks = bool(spoken) and spoken[-1].get("role") in ("user", "developer")
    return "reinforcement" if has_fields and asks else "supervised"


def can_be_trained_on(row):
    try:
        need(isinstance(row, dict))
        need(not has_special(row))
        {"supervised": check_chat, "dpo": check_pair, "reinforcement": check_graded}[method_of(row)](row)
        need(count(row) <= MAX_TOKENS)
    except Refused:
        return False
    return True


def has_special(value):
    if isinstance(value, str):
        return any(f"<|{name}|>" in value for name in SPECIAL)
    if isinstance(value, dict):
        return any(has_special(item) for item in [*value, *value.values()])
    return isinstance(value, list) and any(map(has_special, value))


def check_chat(row):
    need(row.keys() <= {"messages", "tools", "parallel_tool_calls", "functions"})
    check_tools(row)
    messages = row.get("messages")
    check_messages(messages, ROLES)
    need(messages[-1]["role"] == "assistant")
    answers = [message.get("weight") for message in messages if message["role"] == "assistant"]
    need(any(weight != 0 for weight in answers))
    check_images(messages)


def check_pair(row):
    need(row.keys() <= PAIR_KEYS)
    prompt = row.get("input")
    need(isinstance(prompt, dict) and prompt.keys() <= {"messages", "tools", "parallel_tool_calls"})
    check_tools(prompt)
    check_messages(prompt.get("messages"), ROLES)
    need(not images(prompt["messages"]))
    for name in ("preferred_output", "non_preferred_output"):
        check_messages(row.get(name), ROLES)
        need(len(row[name]) == 1 and row[name][0]["role"] == "assistant")


def check_graded(row):
    check_tools(row)
    check_messages(row.get("messages"), GRADED_ROLES)
    check_images(row["messages"])


def check_tools(row):
    tools, functions = row.get("tools"), row.get("functions")
    for declared in (tools, functions):
        need(declared is None or (isinstance(declared, list) and len(declared) <= MAX_TOOLS))
    for tool in tools or []:
        need(
            isinstance(tool, dict) and tool.get("type") == "function" and tool.keys() <= {"type", "function"}
        )
        check_function(tool.get("function"))
    for function in functions or []:
        check_function(function)
    need(row.get("parallel_tool_calls") in (None, True, False))
    need(
        not isinstance(row.get("parallel_tool_calls"), int | float)
        or isinstance(row["parallel_tool_calls"], bool)
    )


def check_function(function):
    need(isinstance(function, dict) and isinstance(function.get("name"), str))
    need(function.keys() <= {"name", "description", "parameters", "strict"})
    need(TOOL_NAME.fullmatch(function["name"]))
    need(isinstance(function.get("description") or "", str))
    need(isinstance(function.get("strict") or False, bool))
    parameters = function.get("parameters")
    need(parameters is None or isinstance(parameters, dict))
    need(isinstance((parameters or {}).get("properties") or {}, dict))


def check_messages(messages, roles):
    need(isinstance(messages, list) and 1 <= len(messages) <= MAX_MESSAGES)
    made, waiting = set(), set()
    for message in messages:
        need(isinstance(message, dict) and message.keys() <= MESSAGE_KEYS)
        need(isinstance(message.get("role"), str) and message["role"] in roles)
        check_message(message, message["role"])
        if message["role"] == "tool":
            answered = message.get("tool_call_id")
            need(isinstance(answered, str) and answered in made)
            waiting.discard(answered)
            continue
        need(not waiting and message.get("tool_call_id") is None)
        waiting = {call["id"] for call in message.get("tool_calls") or []}
        made |= waiting


def check_message(message, role):
    calls, call, refusal = message.get("tool_calls"), message.get("function_call"), message.get("refusal")
    if role != "assistant":
        need("weight" not in message and calls is None and call is None and refusal is None)
    need(refusal is None or isinstance(refusal, str))
    check_content(
        message.get("content"), role, is_optional=role == "assistant" and bool(calls or call or refusal)
    )
    if "weight" in message:
        need(message["weight"] in (0, 1) and not isinstance(message["weight"], bool))
    name = message.get("name")
    need((name is None and role != "function") or (isinstance(name, str) and name))
    need(calls is None or (isinstance(calls, list) and calls))
    ids = [check_call(made) for made in calls or []]
    need(len(ids) == len(set(ids)))
    if call is not None:
        check_called(call)


def check_call(call):
    need(
        isinstance(call, dict)
        and call.keys() <= {"id", "type", "function"}
        and call.get("type") == "function"
    )
    need(isinstance(call.get("id"), str) and call["id"])
    check_called(call.get("function"))
    return call["id"]


def check_called(function):
    need(isinstance(function, dict) and function.keys() <= {"name", "arguments"})
    need(isinstance(function.get("name"), str) and function["name"])
    need(isinstance(function.get("arguments"), str))


def check_content(content, role, *, is_optional):
    if isinstance(content, list):
        need(content)
        for part in content:
            check_part(part, role)
    elif isinstance(content, str):
        need(content or role != "assistant" or is_optional)
    else:
        need(content is None and is_optional)


def check_part(part, role):
    allowed = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}.get(role, ("text",))
    need(isinstance(part, dict) and part.get("type") in allowed and part.keys() <= {"type", part["type"]})
    if part["type"] == "image_url":
        check_image(part.get("image_url"))
    else:
        need(isinstance(part.get(part["type"]), str))


def check_image(image):
    need(isinstance(image, dict) and image.keys() <= {"url", "detail"} and isinstance(image.get("url"), str))
    need(image.get("detail", "auto") in ("auto", "low", "high"))
    if re.match(r"https?://[^\s/]", image["url"]):
        return
    kind = re.match(r"data:image/(?:jpeg|jpg|png|webp);base64,", image["url"])
    need(kind)
    try:
        head = base64.b64decode(image["url"][kind.end() :][:64], validate=True)
    except ValueError:
        raise Refused from None
    is_png = head[:8] == b"\x89PNG\r\n\x1a\n"
    need(head[:3] == b"\xff\xd8\xff" or is_png or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"))
    need(not is_png or head[25:26] in (b"\x02", b"\x06"))


def images(messages):
    contents = [message.get("content") for message in messages]
    return [
        part for content in contents if isinstance(content, list) for part in content if "image_url" in part
    ]


def check_images(messages):
    need(len(images(messages)) <= MAX_IMAGES)


@cache
def encoding():
    """tiktoken's own, read from our folder as if that were its cache."""
    with patch.dict(os.environ, TIKTOKEN_CACHE_DIR=str(FOLDER)):
        return tiktoken.get_encoding("o200k_base")


def tokens(text):
    return len(encoding().encode(text, disallowed_special=()))


def count(row):
    if "messages" in row:
        return 3 + sum(map(count_message, row["messages"])) + count_tools(row)
    outputs = row["preferred_output"] + row["non_preferred_output"]
    prompt = row["input"]
    return 3 + sum(map(count_message, prompt["messages"] + outputs)) + count_tools(prompt)


def count_message(message):
    total = 3 + (1 if message.get("name") else 0)
    total += sum(tokens(value) for value in message.values() if isinstance(value, str))
    for part in message["content"] if isinstance(message.get("content"), list) else ():
        if part["type"] == "image_url":
            total += 85 if part["image_url"].get("detail") == "low" else 765
        else:
            total += tokens(part[part["type"]])
    called = [call["function"] for call in message.get("tool_calls") or []]
    called += [message["function_call"]] if message.get("function_call") else []
    return total + sum(tokens(call["name"] + call["arguments"]) for call in called)


def count_tools(row):
    functions = [tool["function"] for tool in row.get("tools") or []] + (row.get("functions") or [])
    return sum(map(count_function, functions)) + (12 if functions else 0)


def count_function(function):
    total = 7 + tokens(f"{function['name']}:{(function.get('description') or '').removesuffix('.')}")
    properties = (function.get("parameters") or {}).get("properties") or {}
    total += 3 if properties else 0
    for key, schema in properties.items():
        fields = schema if isinstance(schema, dict) else {}
        total += 3 + tokens(
            f"{key}:{text(fields.get('type', ''))}:{text(fields.get('description', '')).removesuffix('.')}"
        )
        if isinstance(fields.get("enum"), list):
            total += -3 + sum(3 + tokens(text(item)) for item in fields["enum"])
    return total


def text(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
