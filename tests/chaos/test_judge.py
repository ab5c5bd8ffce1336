import dataclasses
from dataclasses import replace

import pytest

from tests.chaos.history import Change, violations
from tests.chaos.judge import DatasetRow, JobRow, Run, judge

JOB = JobRow(id="a", status="succeeded", provider_job_id="ftjob-1", cancel_requested=False, models=["ft:1"])
RUN = Run(id="ftjob-1", reference="a", status="succeeded")
DATASET = DatasetRow(id="d", status="valid", examples=40)


def verdict(**changed):
    kept = {
        "accepted": ["a"],
        "jobs": [JOB],
        "runs": [RUN],
        "examples": {"d": 40},
        "datasets": [DATASET],
        "history": {},
    }
    return judge(**kept | changed)


def broken(**changed):
    """The promises that were broken, each with whose."""
    found = dataclasses.asdict(verdict(**changed))
    return {promise: list(whose) for promise, whose in found.items() if whose}


def test_finds_nothing_where_every_promise_was_kept():
    assert verdict().is_clean


@pytest.mark.parametrize(
    ("changed", "promise"),
    [
        ({"accepted": ["a", "b"]}, {"lost": ["b"]}),
        ({"examples": {"d": 40, "e": 40}}, {"lost": ["e"]}),
        ({"runs": [RUN, replace(RUN, id="ftjob-2", status="cancelled")]}, {"trained_twice": ["a"]}),
        ({"jobs": [replace(JOB, models=["ft:1", "ft:2"])]}, {"models_doubled": ["a"]}),
        ({"jobs": [replace(JOB, status="running", models=[])]}, {"stuck": ["a"]}),
        ({"datasets": [replace(DATASET, status="processing")]}, {"stuck": ["d"]}),
        ({"datasets": [replace(DATASET, examples=39)]}, {"wrong_state": ["d"]}),
        ({"datasets": [DATASET, replace(DATASET, id="e", status="invalid")]}, {"wrong_state": ["e"]}),
        ({"jobs": [replace(JOB, models=[])]}, {"wrong_state": ["a"]}),
        ({"jobs": [replace(JOB, status="failed", models=[])]}, {"wrong_state": ["a"]}),
        ({"runs": [replace(RUN, status="running")]}, {"wrong_state": ["a"]}),
        ({"runs": []}, {"wrong_state": ["a"]}),
        ({"runs": [replace(RUN, reference="b")]}, {"wrong_state": ["a"]}),
        (
            {"jobs": [replace(JOB, status="cancelled", provider_job_id=None, models=[])]},
            {"wrong_state": ["a"]},
        ),
        (
            {"jobs": [replace(JOB, status="failed", provider_job_id=None, models=[])], "runs": []},
            {"wrong_state": ["a"]},
        ),
        ({"history": {"a": "progress fell"}}, {"wrong_state": ["a"]}),
    ],
)
def test_finds_what_broke_a_promise(changed, promise):
    assert broken(**changed) == promise


def test_finds_one_model_of_two_jobs():
    other = replace(JOB, id="b", provider_job_id="ftjob-2")

    found = broken(jobs=[JOB, other], runs=[RUN, replace(RUN, id="ftjob-2", reference="b")])

    assert found == {"models_doubled": ["a", "b"]}


def test_lets_a_job_be_cancelled_before_it_had_a_run():
    cancelled = replace(JOB, status="cancelled", provider_job_id=None, models=[])

    assert verdict(jobs=[cancelled], runs=[]).is_clean


def change(version, before, after, progress_before=0.0, progress_after=0.0, provider_job=None):
    return Change(
        version=version,
        at="",
        actor=1,
        job="a",
        before=before,
        after=after,
        progress_before=None if before is None else progress_before,
        progress_after=progress_after,
        provider_job=provider_job,
    )


NEW = change(1, None, "pending")


def test_takes_a_history_that_only_goes_forward():
    history = [NEW, change(2, "pending", "validating"), change(3, "validating", "running", 0, 50, "ftjob-1")]

    assert violations(history) == {}


@pytest.mark.parametrize(
    "history",
    [
        [change(1, "pending", "validating")],
        [NEW, change(2, "pending", "queued"), change(3, "queued", "validating")],
        [NEW, change(2, "pending", "failed"), change(3, "failed", "succeeded")],
        [NEW, change(2, "validating", "queued")],
        [NEW, change(2, "pending", "running", 0, 50), change(3, "running", "running", 50, 40)],
        [
            NEW,
            change(2, "pending", "queued", provider_job="x"),
            change(3, "queued", "queued", provider_job="y"),
        ],
    ],
)
def test_finds_a_history_that_broke_a_rule(history):
    assert list(violations(history)) == ["a"]
