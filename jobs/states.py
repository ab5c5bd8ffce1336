"""The life of a job.

pending ──> validating ──> queued ──> running ──> succeeded
   │             │            │          ├──────> failed
   └─────────────┴────────────┴──────────┴──────> cancelled

Any state that is not final may also fail. A poll can miss `running`, so queued may end directly.
"""

from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"
    VALIDATING = "validating"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# Words of a provider for a run that waits for whoever paused it; our status stays `running` meanwhile.
PAUSED = frozenset({"pausing", "paused"})
TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
ACTIVE = frozenset(Status) - TERMINAL

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.VALIDATING, Status.FAILED, Status.CANCELLED}),
    Status.VALIDATING: frozenset({Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    Status.QUEUED: frozenset({Status.RUNNING, *TERMINAL}),
    Status.RUNNING: TERMINAL,
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}


def sources(to: Status) -> frozenset[Status]:
    """The states from which a job may go to `to`."""
    return frozenset(status for status, targets in TRANSITIONS.items() if to in targets)
