"""The rules for one training row. Each rule is a small function that yields problems.

Sources: OpenAI's guides to supervised, direct preference and reinforcement fine-tuning, the chat part of its
API description, and the errors that its jobs give. `docs/data-problems.md` lists all codes.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal

from datasets.problems import Problem
from datasets.validation import rows
from finetuning.strict_json import shown

Method = Literal["supervised", "dpo", "reinforcement"]

MIN_EXAMPLES = 10
# A row that is all wrong needs no longer list.
MAX_PROBLEMS = 100
# OpenAI's best practices for fine-tuning: what is trained of one example, and what a model can read at all.
MAX_EXAMPLE_TOKENS = 65_536
MAX_CONTEXT_TOKENS = 128_000

_CHECKS = {
    "supervised": rows.check_chat,
    "dpo": rows.check_preference,
    "reinforcement": rows.check_reinforcement,
}


def method_of(row: object) -> Method:
    """What a row can train: `dpo` for a preference pair, `reinforcement` for a prompt that carries fields
    for a grader, else `supervised`."""
    if not isinstance(row, dict):
        return "supervised"
    if rows.PREFERENCE_KEYS & row.keys():
        return "dpo"
    return "reinforcement" if rows.is_graded_prompt(row) else "supervised"


def check_row(row: object, *, line: int) -> list[Problem]:
    """What is wrong with one row, each with its JSON pointer; empty for a good one."""
    if not isinstance(row, dict):
        return [_not_an_object(row, line)]
    found = _CHECKS[method_of(row)](row)
    return [replace(problem, line=line) for problem in islice(found, MAX_PROBLEMS)]


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
        held = "1 example" if examples == 1 else f"{examples} examples"
        yield Problem(
            code="min_examples",
            message=f"The file holds {held}.",
            found=str(examples),
            expected=f"At least {MIN_EXAMPLES}",
            fix="Add examples; 50 to 100 good ones are a useful start.",
        )


def check_tokens(tokens: int, *, line: int) -> Iterator[Problem]:
    """Whether an example of so many tokens fits: over the context it is refused, over the limit cut."""
    if tokens > MAX_CONTEXT_TOKENS:
        yield Problem(
            code="tokens",
            line=line,
            message=f"The example has {tokens:,} tokens, more than a model can read.",
            found=f"{tokens:,}",
            expected=f"At most {MAX_CONTEXT_TOKENS:,}",
            fix="Split the conversation.",
        )
    elif tokens > MAX_EXAMPLE_TOKENS:
        yield Problem(
            code="truncated",
            severity="warning",
            line=line,
            message=f"The example has {tokens:,} tokens; the provider cuts off what is over the limit.",
            found=f"{tokens:,}",
            expected=f"At most {MAX_EXAMPLE_TOKENS:,}",
            fix="Split the conversation.",
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
