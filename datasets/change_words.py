"""What made a version, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from datasets.models import Dataset

KINDS = {
    "repairs": "Repairs",
    "edits": "Edits",
    "redaction": "Redaction of private data",
    "filter": "Filter",
    "sample": "Sample",
    "split": "Split",
    "merge": "Merge",
}
COUNTS = {
    "changed": ("line changed", "lines changed"),
    "removed": ("line removed", "lines removed"),
    "added": ("line added", "lines added"),
    "kept": ("line kept as it was", "lines kept as they were"),
    "mended": ("problem mended", "problems mended"),
    "redacted": ("finding redacted", "findings redacted"),
    "values": ("placeholder", "different placeholders"),
    "left_out": ("line not taken", "lines not taken"),
    "unreadable": (
        "row could not be read, so it is left out",
        "rows could not be read, so they are left out",
    ),
    "not_redacted": ("line is no text, so it is not redacted", "lines are no text, so they are not redacted"),
}
PARAMETERS = {
    "part": "Part",
    "keep": "Kept",
    "search": "Text",
    "problem": "Problem",
    "minTokens": "At least so many tokens",
    "maxTokens": "At most so many tokens",
    "count": "Examples",
    "ratio": "Share for validation",
    "seed": "Seed",
}


def kind_in_words(dataset: Dataset) -> str:
    """What made this version: `Repairs`. Empty for an upload or an import."""
    return KINDS[dataset.change["kind"]] if dataset.change else ""


def counts_in_words(dataset: Dataset) -> list[str]:
    """`37 lines changed` and the like; empty before the version is written."""
    counts: Mapping[str, int] = (dataset.change or {}).get("counts", {})
    return [
        f"{counts[name]:,} {words[counts[name] != 1]}" for name, words in COUNTS.items() if name in counts
    ]


def parameters_in_words(dataset: Dataset) -> list[tuple[str, Any]]:
    """What was asked for, by its label."""
    return list(_parameters(dataset.change or {}))


def _parameters(change: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((label, change[name]) for name, label in PARAMETERS.items() if name in change)
