"""How many tokens an example has: what training is billed by."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from finetuning.tokenizer import EncodingName, count_tokens, counter, encoding_for
from finetuning.tokenizer.chat import (
    TOKENS_PER_MESSAGE,
    TOKENS_PER_REPLY,
    count_conversation,
    count_functions,
    count_message,
)

REMEMBERED_CHARACTERS = 20_000


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


def count_spoken(rows: Iterable[Sequence[Spoken]]) -> list[int]:
    """The same as `count_example` for each of some rows that have these messages only."""
    name = encoding_for(None)
    count = counter(name)
    totals = []
    for messages in rows:
        total = TOKENS_PER_REPLY + TOKENS_PER_MESSAGE * len(messages)
        for message in messages:
            role, text = message.role, message.content
            is_shared = role == "system" and len(text) <= REMEMBERED_CHARACTERS
            total += _count_again(role, name) + (_count_again(text, name) if is_shared else count(text))
        totals.append(total)
    return totals


@lru_cache(maxsize=64)
def _count_again(text: str, name: EncodingName) -> int:
    """For roles and system prompts, which most rows of a file share."""
    return count_tokens(text, name)


def _count_tools(example: Mapping[str, Any], name: EncodingName) -> int:
    declared = [tool["function"] for tool in example.get("tools") or []]
    return count_functions([*declared, *(example.get("functions") or [])], name)
