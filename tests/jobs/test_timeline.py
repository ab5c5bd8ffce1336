from datetime import UTC, datetime

import pytest

from jobs.states import TERMINAL, Status
from jobs.timeline import timeline

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def shown(status, *reached):
    return [(step.status, step.state) for step in timeline(status, dict.fromkeys(reached, NOON))]


def test_shows_what_is_done_and_what_is_to_come():
    assert shown(Status.QUEUED, Status.PENDING, Status.VALIDATING, Status.QUEUED) == [
        (Status.PENDING, "done"),
        (Status.VALIDATING, "done"),
        (Status.QUEUED, "current"),
        (Status.RUNNING, "upcoming"),
        (Status.SUCCEEDED, "upcoming"),
    ]


def test_shows_only_what_a_failed_job_went_through():
    assert shown(Status.FAILED, Status.PENDING, Status.VALIDATING, Status.FAILED) == [
        (Status.PENDING, "done"),
        (Status.VALIDATING, "done"),
        (Status.FAILED, "failed"),
    ]


def test_leaves_out_a_state_that_no_poll_saw():
    steps = shown(Status.SUCCEEDED, Status.PENDING, Status.QUEUED, Status.SUCCEEDED)

    assert [status for status, _ in steps] == [Status.PENDING, Status.QUEUED, Status.SUCCEEDED]
    assert {state for _, state in steps} == {"done"}


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_shows_at_least_the_end(status):
    assert [step for step, _ in shown(status)] == [status]
