import pytest

from finetuning.providers.base import RemoteStatus
from jobs.states import ACTIVE, TERMINAL, TRANSITIONS, Status, sources


def test_lists_every_status():
    assert set(TRANSITIONS) == set(Status)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_leaves_no_final_state(status):
    assert TRANSITIONS[status] == frozenset()


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_can_fail_and_be_cancelled_from_every_other_state(status):
    assert {Status.FAILED, Status.CANCELLED} <= TRANSITIONS[status]


def test_never_goes_back():
    order = [Status.PENDING, Status.VALIDATING, Status.QUEUED, Status.RUNNING]

    back = [(a, b) for a in order for b in TRANSITIONS[a] if b in order and order.index(b) <= order.index(a)]

    assert back == []


def test_finds_the_sources_of_a_state():
    assert sources(Status.SUCCEEDED) == {Status.QUEUED, Status.RUNNING}
    assert sources(Status.PENDING) == frozenset()


def test_has_every_word_of_the_provider_neutral_vocabulary():
    assert {status.value for status in RemoteStatus} <= {status.value for status in Status}
