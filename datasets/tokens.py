"""How many tokens an example has: what training is billed by."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from finetuning.tokenizer import EncodingName, count_tokens, counter, encoding_for
from finetuning.tokenizer.chat import (
    TOKENS_PER_MESSAGE,
    TOKENS_PER_REPLY,
    count_conversation,
    count_functions,
    count_message,
)


class Spoken(Protocol):
    """A message of a role and a text, and nothing else that counts."""

    @property
    def role(self) -> str: ...
    @property
    def content(self) -> str: ...


def count_example(example: Mapping[str, Any], base_model: str | None = None) -> int:
    """Tokens of a valid row: its messages, its tools and, for a preference pair, both outputs.

    Without a base model it counts for the models of today (o200k_base). The rules are those of
    `finetuning.tokenizer.chat`.
    """
    name = encoding_for(base_model)
    if "messages" in example:
        return count_conversation(example["messages"], name) + _count_tools(example, name)
    asked = example["input"]
    outputs = [*example["preferred_output"], *example["non_preferred_output"]]
    total = count_conversation(asked["messages"], name) + _count_tools(asked, name)
    return total + sum(count_message(message, name) for message in outputs)


def count_spoken(messages: Sequence[Spoken]) -> int:
    """The same as `count_example` for a row that has these messages only."""
    name = encoding_for(None)
    count = counter(name)
    total = TOKENS_PER_REPLY + TOKENS_PER_MESSAGE * len(messages)
    for message in messages:
        total += _count_role(message.role, name) + count(message.content)
    return total


@cache
def _count_role(role: str, name: EncodingName) -> int:
    return count_tokens(role, name)


def _count_tools(example: Mapping[str, Any], name: EncodingName) -> int:
    declared = [tool["function"] for tool in example.get("tools") or []]
    return count_functions([*declared, *(example.get("functions") or [])], name)
