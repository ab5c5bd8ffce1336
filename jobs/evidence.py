"""Which lines of the dataset an error is about, by what the provider says of the file that it was sent."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from datasets.training_files import validation_positions
from jobs.models import Job

MAX_LINES = 20
NAMED = re.compile(r"\b(?:example|line) #?(\d{1,9})\b", re.IGNORECASE)
Evidence = list[dict[str, Any]]


def evidence_in(job: Job, message: str, *, code: str) -> Evidence:
    """The lines that the provider's `message` names as "Example 3" or "Line 3" of the file it was sent.

    That file lacks what was held back for validation, and a validation file holds nothing else.
    """
    named = list(dict.fromkeys(int(number) for number in NAMED.findall(message)))[:MAX_LINES]
    if not named or not code.startswith("invalid"):
        return []
    sent = _positions_sent(job, is_validation="validation" in code)
    return evidence_at(job, [sent[number - 1] for number in named if 0 < number <= len(sent)])


def _positions_sent(job: Job, *, is_validation: bool) -> Sequence[int]:
    everything = range(job.dataset.total_examples)
    if not job.validation_split:
        return everything
    apart = validation_positions(job.dataset, split=job.validation_split, seed=job.seed)
    return [position for position in everything if (position in apart) == is_validation]


def evidence_at(job: Job, positions: Iterable[int]) -> Evidence:
    """The lines of the examples at `positions`, which count from 0; at most 20, in their order."""
    wanted = sorted(set(positions))[:MAX_LINES]
    found = job.dataset.examples.filter(position__in=wanted).order_by("position")
    return [
        {"example": position + 1, "line": line} for position, line in found.values_list("position", "line")
    ]
