"""One number for how fit a file is to be trained on, and what it is made of."""

import msgspec

from datasets.quality.statistics import Summary

# OpenAI's guide: improvements show from 50 to 100 good examples on.
ENOUGH_EXAMPLES = 100
LABELS = {
    "size": "Size",
    "unique": "Unique examples",
    "private": "Private data",
    "answers": "Answers",
    "length": "Length",
    "system_prompts": "System prompts",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things looked at: 0 to 100 `points`, its `weight` in the score, and why."""

    name: str
    points: int
    weight: int
    reason: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`score` is the weighted mean of the points of all parts, 0 to 100."""

    score: int
    parts: list[Part]


def health_of(summary: Summary, *, repeated: int, private: int) -> Health:
    """Judge a file by its summary, its repeated examples and its private data."""
    parts = [
        _size(summary),
        _share("unique", 25, repeated, summary.examples, "examples repeat an earlier one"),
        _share("private", 20, private, summary.examples, "findings of personal data or secrets"),
        _share(
            "answers",
            20,
            summary.empty_answers + summary.refusals,
            summary.answers,
            "answers are empty or refusals",
        ),
        _share("length", 10, summary.truncated_examples, summary.examples, "examples are cut off"),
        _system_prompts(summary),
    ]
    total = sum(part.points * part.weight for part in parts)
    return Health(score=round(total / sum(part.weight for part in parts)), parts=parts)


def _share(name: str, weight: int, bad: int, total: int, what: str) -> Part:
    """100 points for none, 0 points from a quarter on: such a file teaches the fault."""
    points = 100 - round(400 * bad / max(1, total))
    return Part(name=name, points=max(0, points), weight=weight, reason=f"{bad:,} of {total:,}: {what}.")


def _size(summary: Summary) -> Part:
    points = min(100, round(100 * summary.examples / ENOUGH_EXAMPLES))
    reason = f"{summary.examples:,} now; from {ENOUGH_EXAMPLES} examples on training shows."
    return Part(name="size", points=points, weight=15, reason=reason)


def _system_prompts(summary: Summary) -> Part:
    """Examples with a system prompt among others without one teach two models in one."""
    without = summary.without_system_prompt
    fewer = min(without, summary.examples - without)
    points = 100 - round(200 * fewer / max(1, summary.examples))
    reason = f"With a system prompt: {summary.examples - without:,}. Without one: {without:,}."
    return Part(name="system_prompts", points=points, weight=10, reason=reason)
