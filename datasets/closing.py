"""The end of a reading: duplicates among all examples, the problems, what the data is like, the verdict."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from datasets import storing
from datasets.harmless import harmless
from datasets.models import Dataset
from datasets.problems import KEPT_PER_CODE, Problem
from datasets.quality import QualityReport
from datasets.tally import Tally, repeated
from datasets.validation import check_size

MAX_ATTEMPTS = 5
SHOWN_ERRORS = 100
SHOWN_PROMPTS = 20
SHOWN_PROMPT_CHARACTERS = 200
# The number of an element begins the pointer.
_SHOWN_FIELDS = tuple(name for name in Problem.__dataclass_fields__ if name != "element")


class LeaseLost(Exception):
    """Another worker has read the file meanwhile; what this one stored was rolled back."""


def give_up(dataset: Dataset) -> None:
    """Say that the file cannot be read, after so many attempts. Raises LeaseLost.

    The examples stay, for they alone know their conversations, and so do the totals of the last reading; what
    was never whole is not called read.
    """
    tally = Tally(plan=dataset.plan)
    message = f"Reading the file failed {MAX_ATTEMPTS} times. Tell the operator; the file is kept."
    tally.report.add(Problem(code="not_read", message=message))
    with transaction.atomic():
        dataset.problems.all().delete()
        keep_problems(dataset, tally)
        dataset.ranges.all().delete()
        _record_verdict(dataset, tally, validated_at=dataset.validated_at)


def close_dataset(dataset: Dataset, tally: Tally) -> None:
    """Store what concerns all examples together and the verdict. Raises LeaseLost, LinesLost."""
    tally.check_lines()
    quality = tally.quality.report()
    for problem in [*repeated(quality.duplicates, tally.plan), *check_size(examples=tally.examples)]:
        tally.report.add(problem)
    unlisted = {
        "duplicate": quality.exact_duplicates - tally.report.counts["duplicate"],
        "near_duplicate": quality.near_duplicates - tally.report.counts["near_duplicate"],
    }
    tally.report.add_counts({code: count for code, count in unlisted.items() if count}, errors=0)
    _store_verdict(dataset, tally, quality)


def keep_problems(dataset: Dataset, tally: Tally) -> None:
    """Move the problems that the tally keeps into the database; it goes on counting."""
    storing.store_problems(dataset, tally.report.kept)
    tally.report.kept.clear()


@transaction.atomic
def _store_verdict(dataset: Dataset, tally: Tally, quality: QualityReport) -> None:
    dataset.examples.filter(position__gte=tally.examples).delete()
    keep_problems(dataset, tally)
    dataset.ranges.all().delete()
    _record_verdict(
        dataset,
        tally,
        layout=tally.plan.layout,
        column_mapping=dict(tally.plan.columns),
        method=tally.method or "supervised",
        total_examples=tally.examples,
        total_tokens=tally.tokens,
        total_lines=tally.lines,
        rejected_lines=tally.rejected,
        blank_lines=tally.blank,
        quality=_shown(quality),
    )


def _record_verdict(dataset: Dataset, tally: Tally, **columns: Any) -> None:
    if max(tally.report.counts.values(), default=0) > KEPT_PER_CODE:
        _forget_surplus(dataset)
    errors = dataset.problems.filter(severity="error").order_by(F("line").asc(nulls_last=True), "id")
    recorded = dataset.mark_checked(
        status=Dataset.Status.INVALID if tally.report.errors else Dataset.Status.VALID,
        now=timezone.now(),
        problem_counts=dict(tally.report.counts),
        validation_errors=list(errors.values(*_SHOWN_FIELDS)[:SHOWN_ERRORS]),
        **columns,
    )
    if not recorded:
        raise LeaseLost(dataset.pk)


def _forget_surplus(dataset: Dataset) -> None:
    """Ranges know nothing of each other, so that together they keep more of a code than is kept of a file."""
    numbered = dataset.problems.annotate(
        number=Window(RowNumber(), partition_by="code", order_by=[F("line").asc(nulls_first=True), "id"])
    )
    dataset.problems.filter(pk__in=numbered.filter(number__gt=KEPT_PER_CODE).values("pk")).delete()


def _shown(quality: QualityReport) -> dict[str, Any]:
    """The report as JSON; its duplicates are among the problems."""
    shown: dict[str, Any] = msgspec.to_builtins(quality, str_keys=True)
    del shown["duplicates"]
    shown["summary"]["system_prompts"] = _shown_prompts(quality.summary.system_prompts)
    return shown


def _shown_prompts(prompts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent ones, to be looked at: those that then look alike are one."""
    counts: Counter[str] = Counter()
    for prompt, count in prompts.items():
        counts[harmless(prompt)[:SHOWN_PROMPT_CHARACTERS]] += count
    return dict(counts.most_common(SHOWN_PROMPTS))
