"""The loss curve of a job, from the metrics that its provider sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MAX_POINTS = 1500


@dataclass(frozen=True)
class Point:
    """The losses after a training step; None where that one was not measured."""

    step: int
    train_loss: float | None
    valid_loss: float | None


def read_points(measurements: Iterable[Mapping[str, Any]]) -> list[Point]:
    """One point per step, in order. A later measurement of the same step adds to the earlier one.

    The provider's names are `step`, `train_loss`, `valid_loss` and, at the end of an epoch over the whole
    validation file, `full_valid_loss`, which counts more.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for measured in measurements:
        step = measured.get("step")
        if isinstance(step, int):
            known = {name: value for name, value in measured.items() if value is not None}
            by_step.setdefault(step, {}).update(known)
    return [
        Point(step, found.get("train_loss"), found.get("full_valid_loss", found.get("valid_loss")))
        for step, found in sorted(by_step.items())
    ]


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
