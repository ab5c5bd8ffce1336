"""What messages and tools cost in tokens, in the form in which a chat model reads them.

The rules and constants are those of OpenAI's cookbook, "How to count tokens with tiktoken". Where it is
silent: a tool call counts its function's name and arguments, `weight` counts nothing, and an image whose
size is not known counts as one of 1024 x 1024 (OpenAI's guide to images: 85 + 4 tiles of 170).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from finetuning.tokenizer import EncodingName, count_tokens

TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_PER_REPLY = 3
TOKENS_PER_FUNCTION: dict[EncodingName, int] = {"o200k_base": 7, "cl100k_base": 10}
TOKENS_OF_PROPERTIES = 3
TOKENS_PER_PROPERTY = 3
TOKENS_OF_ENUM = -3
TOKENS_PER_ENUM_ITEM = 3
TOKENS_AFTER_FUNCTIONS = 12
TOKENS_PER_LOW_DETAIL_IMAGE = 85
TOKENS_PER_IMAGE = 765


def count_conversation(messages: Iterable[Mapping[str, Any]], name: EncodingName) -> int:
    """Tokens of all messages and of the start of the reply."""
    return sum(count_message(message, name) for message in messages) + TOKENS_PER_REPLY


def count_message(message: Mapping[str, Any], name: EncodingName) -> int:
    """Tokens of one message with its role, content, name and calls."""
    total = TOKENS_PER_MESSAGE + (TOKENS_PER_NAME if message.get("name") else 0)
    for value in message.values():
        if isinstance(value, str):
            total += count_tokens(value, name)
    total += _count_parts(message.get("content"), name)
    calls = [call["function"] for call in message.get("tool_calls") or []]
    if message.get("function_call"):
        calls.append(message["function_call"])
    return total + sum(count_tokens(call["name"] + call["arguments"], name) for call in calls)


def count_functions(functions: Iterable[Mapping[str, Any]], name: EncodingName) -> int:
    """Tokens of the declared functions: the `function` objects of `tools`, or the older `functions`."""
    counts = [_count_function(function, name) for function in functions]
    return sum(counts) + TOKENS_AFTER_FUNCTIONS if counts else 0


def _count_parts(content: object, name: EncodingName) -> int:
    if not isinstance(content, list):
        return 0
    return sum(_count_part(part, name) for part in content)


def _count_part(part: Mapping[str, Any], name: EncodingName) -> int:
    if part["type"] == "image_url":
        is_low = part["image_url"].get("detail") == "low"
        return TOKENS_PER_LOW_DETAIL_IMAGE if is_low else TOKENS_PER_IMAGE
    return count_tokens(part[part["type"]], name)


def _count_function(function: Mapping[str, Any], name: EncodingName) -> int:
    line = f"{function['name']}:{(function.get('description') or '').removesuffix('.')}"
    total = TOKENS_PER_FUNCTION[name] + count_tokens(line, name)
    properties = (function.get("parameters") or {}).get("properties") or {}
    if not properties:
        return total
    total += TOKENS_OF_PROPERTIES
    return total + sum(_count_property(key, schema, name) for key, schema in properties.items())


def _count_property(key: str, schema: object, name: EncodingName) -> int:
    # JSON Schema also allows `true` in place of an object.
    fields = schema if isinstance(schema, dict) else {}
    total = TOKENS_PER_PROPERTY
    items = fields.get("enum")
    if isinstance(items, list):
        total += TOKENS_OF_ENUM
        total += sum(TOKENS_PER_ENUM_ITEM + count_tokens(_text(item), name) for item in items)
    description = _text(fields.get("description", "")).removesuffix(".")
    return total + count_tokens(f"{key}:{_text(fields.get('type', ''))}:{description}", name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
