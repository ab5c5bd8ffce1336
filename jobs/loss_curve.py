"""The curves of a job, its loss and its accuracy, from the metrics that its provider sent."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any

MAX_POINTS = 1500
# What people call the columns of a point.
LABELS = {
    "train_loss": "Training loss",
    "valid_loss": "Validation loss",
    "train_accuracy": "Training accuracy",
    "valid_accuracy": "Validation accuracy",
}
# By the columns of a point, the provider's names, the first that is there.
MEASURES = {
    "train_loss": ("train_loss",),
    "valid_loss": ("full_valid_loss", "valid_loss"),
    "train_accuracy": ("train_mean_token_accuracy",),
    "valid_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy"),
}


@dataclass(frozen=True)
class Point:
    """What was measured after a training step; None where that was not. Accuracies are shares from 0 to 1."""

    step: int
    train_loss: float | None = None
    valid_loss: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None


def read_points(measurements: Iterable[Mapping[str, Any]]) -> list[Point]:
    """One point per step, in order. A later measurement of the same step adds to the earlier one.

    The provider's names are `step` and those in MEASURES; what was measured over the whole validation file,
    at the end of an epoch, counts more.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for measured in measurements:
        step = measured.get("step")
        if isinstance(step, int):
            known = {name: value for name, value in measured.items() if value is not None}
            by_step.setdefault(step, {}).update(known)
    return [
        Point(step, **{column: _first(found, names) for column, names in MEASURES.items()})
        for step, found in sorted(by_step.items())
    ]


def _first(found: Mapping[str, Any], names: Iterable[str]) -> float | None:
    return next((found[name] for name in names if name in found), None)


def measured_at(points: Sequence[Point], step: int, column: str) -> float | None:
    """The last value that was measured up to `step`; None before the first and behind the last step."""
    if not points or step > points[-1].step:
        return None
    passed = points[: bisect_right(points, step, key=attrgetter("step"))]
    values = (getattr(point, column) for point in reversed(passed))
    return next((value for value in values if value is not None), None)


def thin_out(points: list[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` of the points, evenly spread, the first and the last among them.

    Where validation was measured only now and then, those points are kept before others.
    """
    if len(points) <= limit:
        return points
    bounds = [index * len(points) // limit for index in range(limit + 1)]
    spans = [points[start:end] for start, end in pairwise(bounds)]
    kept = [max(span, key=lambda point: (point.valid_loss is not None, point.step)) for span in spans]
    return [points[0], *kept[1:-1], points[-1]]
