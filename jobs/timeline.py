"""The states that a job has passed and has before it, as a line of steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobs.states import TERMINAL, Status

PATH = (Status.PENDING, Status.VALIDATING, Status.QUEUED, Status.RUNNING, Status.SUCCEEDED)


@dataclass(frozen=True)
class Step:
    """`state` is one of done, current, failed, upcoming; `reached_at` is None for what lies ahead."""

    status: Status
    state: str
    reached_at: datetime | None


def timeline(status: Status, reached: Mapping[str, datetime]) -> list[Step]:
    """The steps of a job in `status`. `reached` says when it came to each state that it has been in.

    A job that has ended shows only what it went through; one that goes on also shows what is to come.
    """
    if status in TERMINAL:
        path = [passed for passed in PATH if passed in reached and passed != status] + [status]
    else:
        path = list(PATH)
    position = path.index(status)
    return [Step(step, _state(index - position, step), reached.get(step)) for index, step in enumerate(path)]


def _state(distance: int, step: Status) -> str:
    if step in {Status.FAILED, Status.CANCELLED}:
        return "failed"
    if distance < 0 or (step == Status.SUCCEEDED and distance == 0):
        return "done"
    return "current" if distance == 0 else "upcoming"
