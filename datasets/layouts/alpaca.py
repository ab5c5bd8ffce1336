"""Alpaca: `instruction`, perhaps `input`, and `output`; some tools add `system` and `history`."""

from collections.abc import Mapping
from typing import Any

from datasets.layouts import Converted, NotInLayout
from datasets.layouts.columns import message
from finetuning.strict_json import shown

KEYS = frozenset({"instruction", "input", "output", "system", "history"})
EXPECTED = "instruction, output, perhaps input, system and history"


def convert(row: Mapping[str, Any]) -> Converted:
    """The row as a conversation: the input stands below the instruction. Raises NotInLayout."""
    for name in ("instruction", "output"):
        if name not in row:
            keys = shown(", ".join(row))
            raise NotInLayout(f"The row has no `{name}`.", found=keys, expected=EXPECTED)
    messages = [message("system", row["system"])] if row.get("system") else []
    for index, turn in enumerate(_history(row.get("history"))):
        if not (isinstance(turn, list) and len(turn) == 2):
            raise NotInLayout(
                "A turn of the history is not a question and its answer.",
                pointer=f"/history/{index}",
                found=shown(turn),
                expected='["question", "answer"]',
            )
        messages += [message("user", turn[0]), message("assistant", turn[1])]
    messages += [message("user", _question(row)), message("assistant", row["output"])]
    return Converted(value={"messages": messages}, unused=tuple(key for key in row if key not in KEYS))


def _history(history: object) -> list[Any]:
    if not history:
        return []
    if not isinstance(history, list):
        raise NotInLayout(
            "`history` is not a list.", pointer="/history", found=shown(history), expected="A list of turns"
        )
    return history


def _question(row: Mapping[str, Any]) -> object:
    """Both texts, one below the other. What is no text stays as it is, for the rules to say so."""
    instruction, more = row["instruction"], row.get("input")
    if not more or not isinstance(instruction, str):
        return instruction
    if not isinstance(more, str):
        return more
    return f"{instruction}\n{more}" if instruction else more
