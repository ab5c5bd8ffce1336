"""How many tokens an example has: what training is billed by."""

from collections.abc import Mapping
from typing import Any

from finetuning.tokenizer import EncodingName, encoding_for
from finetuning.tokenizer.chat import count_conversation, count_functions, count_message


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


def _count_tools(example: Mapping[str, Any], name: EncodingName) -> int:
    declared = [tool["function"] for tool in example.get("tools") or []]
    return count_functions([*declared, *(example.get("functions") or [])], name)
