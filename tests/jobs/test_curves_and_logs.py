"""What a job's page shows of its training: the curve in pieces, and the log in pages."""

import gzip
import json

import pytest
from django.urls import reverse

from jobs.models import JobEvent
from jobs.states import Status
from tests.factories import JobFactory
from tests.jobs.conftest import measure

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(organization, provider_account):
    return JobFactory(organization=organization, provider_account=provider_account, status=Status.RUNNING)


def test_shows_events_of_one_level(signed_in, job):
    for level in ("info", "warn", "warning", "error"):
        job.events.create(event_type="message", level=level, message=f"Says {level}.")

    def shown(level):
        answer = signed_in.get(reverse("jobs:events", args=[job.pk]), {"level": level})
        return {event.level for event in answer.context["events"]}

    assert shown("error") == {"error"}
    assert shown("warn") == {"warn", "warning"}
    assert shown("") == shown("no level") == {"info", "warn", "warning", "error"}


def test_sends_only_the_steps_after_the_last_one_that_was_seen(signed_in, job):
    for step in (1, 2, 10):
        measure(job, step, train_loss=1 / step)

    answer = signed_in.get(reverse("jobs:metrics", args=[job.pk]), {"afterStep": "1"}).json()

    assert answer == {
        **{"steps": [2, 10], "train_loss": [0.5, 0.1], "valid_loss": [None, None], "finished": False},
        **{"train_accuracy": [None, None], "valid_accuracy": [None, None]},
    }


def test_sends_a_curve_in_few_bytes(signed_in, job):
    for step in range(1, 200):
        measure(job, step, train_loss=1 / step)

    answer = signed_in.get(reverse("jobs:metrics", args=[job.pk]), headers={"Accept-Encoding": "gzip"})
    sent = json.loads(gzip.decompress(answer.content))

    assert sent["train_loss"][2] == 0.333333
    assert len(answer.content) < 2_000


def test_sends_who_has_no_scripts_to_the_table_of_a_curve(signed_in, job):
    page = reverse("jobs:detail", args=[job.pk])
    assert "appears with the first training step" in signed_in.get(page).text
    measure(job, 1, train_loss=0.5)

    answer = signed_in.get(page).text

    assert "appears with the first training step" not in answer
    assert "<noscript>The values are in the table.</noscript>" in answer


@pytest.mark.parametrize("after", ["", "x", "-1", "²", "9" * 400])
def test_sends_the_whole_curve_for_a_step_that_is_none(signed_in, job, after):
    measure(job, 1, train_loss=0.5)

    answer = signed_in.get(reverse("jobs:metrics", args=[job.pk]), {"afterStep": after}).json()

    assert answer["steps"] == [1]


def test_thins_out_a_long_curve(signed_in, job):
    steps = range(1, 1602)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, event_type="metrics", metadata={"step": step, "train_loss": 1.0}) for step in steps
    )

    sent = signed_in.get(reverse("jobs:metrics", args=[job.pk])).json()["steps"]

    assert (len(sent), sent[0], sent[-1]) == (1500, 1, 1601)


def test_shows_the_newest_events_first_and_the_others_on_further_pages(signed_in, job):
    for step in range(1, 102):
        measure(job, step)

    newest = signed_in.get(reverse("jobs:log", args=[job.pk]))
    oldest = signed_in.get(reverse("jobs:events", args=[job.pk]), {"page": 2})

    assert newest.context["events"][0].message == "Step 101"
    assert [event.message for event in oldest.context["events"]] == ["Step 1"]
