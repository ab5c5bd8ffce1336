from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.loss_curve import Point, measured_at
from jobs.models import JobEvent
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

COMPARE = reverse("jobs:compare")
START = datetime(2026, 11, 1, tzinfo=UTC)


def train(job, steps, *, valid_every=0):
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            event_type="metrics",
            created_at=START + timedelta(seconds=step),
            metadata={"step": step, "train_loss": 1 / step}
            | ({"valid_loss": 2 / step} if valid_every and step % valid_every == 0 else {}),
        )
        for step in range(1, steps + 1)
    )


def test_shows_the_jobs_in_the_order_of_the_address(signed_in, organization):
    first, second = (JobFactory(organization=organization, name=name) for name in ("One", "Two"))
    train(first, 4)

    answer = signed_in.get(COMPARE, {"jobs": f"{second.pk},{first.pk}"})

    assert [one.job.pk for one in answer.context["compared"]] == [second.pk, first.pk]
    assert answer.context["rows"][3] == {"step": 4, "values": [None, 0.25]}


def test_makes_one_address_of_the_boxes_of_the_list(signed_in, organization):
    first, second = JobFactory.create_batch(2, organization=organization)

    answer = signed_in.get(f"{COMPARE}?jobs={first.pk}&jobs={second.pk}")

    assert answer.url == f"{COMPARE}?jobs={first.pk},{second.pk}"


def test_says_that_six_are_too_many(signed_in, organization):
    jobs = JobFactory.create_batch(6, organization=organization)

    answer = signed_in.get(COMPARE, {"jobs": [str(job.pk) for job in jobs]})

    assert answer.status_code == 422
    assert "You chose 6 jobs. At most 5" in answer.text


def test_says_how_to_choose_when_none_is_chosen(signed_in):
    answer = signed_in.get(COMPARE)

    assert answer.status_code == 200
    assert "No jobs are chosen" in answer.text


@pytest.mark.parametrize("other", ["foreign", "unknown", "no id", "9" * 5000, "\0"])
def test_does_not_find_what_is_no_job_of_the_organization(signed_in, organization, other_organization, other):
    own = JobFactory(organization=organization)
    foreign = JobFactory(organization=other_organization)
    asked = {"foreign": foreign.pk, "unknown": uuid4()}.get(other, other)

    assert signed_in.get(COMPARE, {"jobs": f"{own.pk},{asked}"}).status_code == 404


def test_asks_for_no_more_rows_of_a_long_job(organization):
    job = JobFactory(organization=organization)
    train(job, 900, valid_every=90)

    with CaptureQueriesContext(connection) as sent:
        found = job.measurements(100)

    assert len(sent) == 3
    assert found[0]["step"] == 1
    assert found[-1]["step"] == 900
    assert 90 <= len(found) <= 100
    assert [one["step"] for one in found if "valid_loss" in one] == list(range(90, 901, 90))


def test_reads_all_of_a_short_job(organization):
    job = JobFactory(organization=organization)
    train(job, 5)

    assert [one["step"] for one in job.measurements(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("step", "value"), [(0, None), (1, 0.9), (2, 0.9), (3, 0.5), (4, None)])
def test_carries_the_last_value_on_to_the_end_of_the_curve(step, value):
    points = [Point(1, 0.9), Point(2), Point(3, 0.5)]

    assert measured_at(points, step, "train_loss") == value
