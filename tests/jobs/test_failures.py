"""Why a job failed, which lines are the reason, what to do next, and trying once more."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from datasets.training_files import validation_positions
from finetuning.capabilities import CAPABILITIES
from finetuning.sandbox.faults import Fault
from jobs import services
from jobs.advice import ADVICE, GENERAL, advice
from jobs.evidence import evidence_in
from jobs.models import Job
from jobs.states import Status
from tests.factories import DatasetFactory, JobFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/api/fine-tuning/jobs"


def queued_for(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def add_history(organization, *, jobs, seconds):
    """So many jobs that each waited so many seconds in the provider's queue."""
    now = timezone.now()
    JobFactory.create_batch(
        jobs,
        organization=organization,
        status=Status.SUCCEEDED,
        queued_at=now - timedelta(seconds=seconds),
        started_at=now,
        completed_at=now,
    )


@pytest.mark.parametrize("code", [*ADVICE, "", "a code of tomorrow"])
def test_every_code_has_a_cause_and_a_next_step(code):
    told = advice(code)

    assert told.cause.endswith(".")
    assert told.next_step.endswith(".")
    assert (told == GENERAL) == (code not in ADVICE)


def test_tells_moderation_from_a_bad_file():
    blocked = "This training file was blocked because too many examples were flagged by our moderation API."

    assert advice("invalid_training_file", message=blocked) == ADVICE["unsafe_file"]


def test_names_the_lines_that_the_vendor_means(organization):
    dataset = DatasetFactory(organization=organization, examples=12)
    dataset.examples.filter(position=6).update(line=40)
    job = JobFactory(organization=organization, dataset=dataset)

    found = evidence_in(
        job,
        "Invalid file format. Example 7, message 2 Discriminator 'role' is missing. Example 99. Line 3.",
        code="invalid_training_file",
    )

    assert found == [{"example": 3, "line": 3}, {"example": 7, "line": 40}]


@pytest.mark.parametrize(
    ("code", "is_validation"), [("invalid_training_file", False), ("invalid_validation_file", True)]
)
def test_counts_in_the_file_that_the_vendor_was_sent(organization, code, is_validation):
    dataset = DatasetFactory(organization=organization, examples=40)
    job = JobFactory(organization=organization, dataset=dataset, validation_split=0.25)
    apart = validation_positions(dataset, split=0.25, seed=job.seed)
    sent = [position for position in range(40) if (position in apart) == is_validation]

    found = evidence_in(job, "Example 5 is wrong.", code=code)

    assert found == [{"example": sent[4] + 1, "line": sent[4] + 1}]
    assert found != evidence_in(job, "Example 5 is wrong.", code="invalid_file_format") or not is_validation


def test_takes_a_count_of_examples_for_no_line(organization):
    job = JobFactory(
        organization=organization, dataset=DatasetFactory(organization=organization, examples=12)
    )

    words = "Training file has 7 example(s), but must have at least 10 examples"

    assert evidence_in(job, words, code="invalid_n_examples") == []


def test_a_refused_row_is_shown_with_its_line(client, api, job, dataset, sandbox, user):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<|endoftext|>"}]
    dataset.examples.filter(position=4).update(messages=talk, line=9)

    advance(job, sandbox)

    failure = api.get(f"{JOBS}/{job.pk}").json()["failure"]
    assert failure["evidence"] == [{"example": 5, "line": 9}]
    assert failure["nextStep"] == ADVICE["invalid_training_file"].next_step
    client.force_login(user)
    assert "example 5 on line 9" in client.get(reverse("jobs:progress", args=[job.pk])).text


def test_a_job_that_goes_on_has_no_failure(api, job):
    assert api.get(f"{JOBS}/{job.pk}").json()["failure"] is None


def test_the_vendors_refusal_is_final_in_its_own_words(api, job, sandbox):
    sandbox.fail(Fault(kind="account_refused", route="POST /fine_tuning/jobs"))

    advance(job, sandbox)

    shown = api.get(f"{JOBS}/{job.pk}").json()
    assert (shown["status"], shown["errorCode"]) == ("failed", "fine_tuning_not_available")
    assert "Fine-tuning is being wound down." in shown["errorMessage"]
    assert "Choose another provider account" in shown["failure"]["nextStep"]


def test_a_closing_is_explained_with_its_day(monkeypatch):
    closing = replace(CAPABILITIES["azure"], takes_jobs_until=date(2028, 2, 3))
    monkeypatch.setitem(CAPABILITIES, "azure", closing)

    assert "from 3 February 2028 on none at all" in advice("fine_tuning_not_available", kind="azure").cause


def test_openais_closing_is_explained():
    assert "6 January 2027" in advice("fine_tuning_not_available", kind="openai").cause
    assert "OpenAI" not in advice("fine_tuning_not_available", kind="azure").cause


def test_a_retry_is_a_new_job_that_is_linked(client, api, job, sandbox, user):
    client.force_login(user)
    services.cancel_job(job, by=user)

    answer = client.post(reverse("jobs:retry", args=[job.pk]))

    again = Job.objects.exclude(pk=job.pk).get()
    assert answer.headers["Location"] == reverse("jobs:detail", args=[again.pk])
    assert (again.retried_from, again.status) == (job, Status.PENDING)
    asked = ("name", "dataset", "base_model", "hyperparameters", "seed", "provider_account")
    assert all(getattr(again, name) == getattr(job, name) for name in asked)
    assert api.get(f"{JOBS}/{again.pk}").json()["retriedFromId"] == str(job.pk)
    assert reverse("jobs:detail", args=[again.pk]) in client.get(reverse("jobs:detail", args=[job.pk])).text


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCEEDED])
def test_retries_nothing_that_has_not_come_to_grief(organization, user, status):
    job = JobFactory(organization=organization, status=status)

    with pytest.raises(services.JobNotRetryable):
        services.retry_job(job, by=user)


def test_links_a_retry_through_the_api(api, job, dataset):
    asked = {"name": "x", "datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini"}

    again = api.post(JOBS, asked | {"retriedFromId": str(job.pk)}).json()

    assert again["retriedFromId"] == str(job.pk)


def test_says_that_a_job_waits_longer_than_most(client, api, organization, user):
    add_history(organization, jobs=20, seconds=60)
    job = JobFactory(organization=organization, status=Status.QUEUED, queued_at=queued_for(61))
    client.force_login(user)

    assert api.get(f"{JOBS}/{job.pk}").json()["queuedLongerThanUsual"]
    assert "Queued longer than 95 %" in client.get(reverse("jobs:progress", args=[job.pk])).text


def test_says_beside_a_long_wait_what_else_there_is(client, organization, user):
    add_history(organization, jobs=20, seconds=60)
    queued = {"status": Status.QUEUED, "queued_at": queued_for(61), "cancel_requested_at": timezone.now()}
    job = JobFactory(organization=organization, retries=1, **queued)
    job.events.create(event_type="error", level="warning", message="The provider is busy.")
    client.force_login(user)

    shown = client.get(reverse("jobs:progress", args=[job.pk])).text

    assert "Queued longer than 95 %" in shown
    assert "being asked to cancel" in shown
    assert "The provider is busy." in shown


@pytest.mark.parametrize(
    ("history", "waited", "status"), [(19, 600, "queued"), (20, 30, "queued"), (20, 600, "running")]
)
def test_says_nothing_of_a_usual_wait(organization, history, waited, status):
    add_history(organization, jobs=history, seconds=60)
    job = JobFactory(organization=organization, status=status, queued_at=queued_for(waited))

    assert not job.waits_unusually_long


def test_compares_with_the_own_organization_only(organization, other_organization):
    add_history(other_organization, jobs=30, seconds=1)
    job = JobFactory(organization=organization, status=Status.QUEUED, queued_at=queued_for(600))

    assert not job.waits_unusually_long


def test_notes_when_a_job_was_queued(job, sandbox):
    advance(job, sandbox)

    assert job.status == Status.QUEUED
    assert job.queued_at is not None
