"""What a job is estimated at before it begins, what it cost afterwards, and how far these are apart."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from finetuning.models import BasePrice, BaseRetirement
from jobs import planning, services
from jobs.models import Job
from jobs.states import Status
from tests.factories import DatasetFactory, JobFactory
from tests.jobs.conftest import advance

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JOBS = "/api/fine-tuning/jobs"


def succeeded(organization, **columns):
    times = {"started_at": NOW, "completed_at": NOW}
    return JobFactory(organization=organization, status=Status.SUCCEEDED, **times, **columns)


def start(organization, user, dataset, **choices):
    return services.create_job(
        organization, by=user, name="x", dataset=dataset, **{"base_model": "gpt-4.1-mini"} | choices
    )


def test_a_job_keeps_its_estimate_and_shows_its_error(job, sandbox):
    estimated = (job.estimated_tokens, job.estimated_low_usd, job.estimated_high_usd)
    assert estimated == (12 * 10 * 8, Decimal("0.00"), Decimal("0.01"))
    assert job.estimate_error is None

    advance(job, sandbox, seconds=60, times=6)

    assert job.estimate_error == job.trained_tokens / 960 - 1


def test_the_cost_is_that_of_the_day_on_which_training_began(job, sandbox):
    for day, usd in (("2027-01-01", 1_000_000), ("2027-02-01", 9_000_000)):
        BasePrice.objects.create(
            provider_kind="sandbox",
            base_model=job.base_model,
            valid_from=day,
            training_usd=usd,
            source_url="https://example.com/",
        )
    advance(job, sandbox)
    Job.objects.filter(pk=job.pk).update(started_at=datetime(2027, 1, 31, tzinfo=UTC))

    advance(job, sandbox, seconds=60, times=4)

    assert job.actual_cost_usd == job.trained_tokens


def test_an_unknown_price_is_said_to_be_unknown(client, api, job, sandbox, user):
    BasePrice.objects.all().delete()
    client.force_login(user)

    advance(job, sandbox, seconds=60, times=6)

    shown = api.get(f"{JOBS}/{job.pk}").json()
    assert (shown["status"], shown["actualCostUsd"], shown["estimatedTokens"]) == ("succeeded", None, 960)
    assert api.get(f"{JOBS}/stats").json()["estimates"]["costUnknown"] == 1
    assert "<dt>Actual cost</dt><dd>unknown</dd>" in client.get(reverse("jobs:progress", args=[job.pk])).text
    assert "unknown" in client.get(reverse("jobs:costs")).text


def test_cuts_off_what_is_longer_than_the_base_model_takes(organization, account):
    dataset = DatasetFactory(organization=organization, examples=12)
    dataset.examples.filter(position=0).update(token_count=100_000)
    type(dataset).objects.filter(pk=dataset.pk).update(total_tokens=100_110)
    dataset.refresh_from_db()

    estimate = planning.estimate_cost(
        dataset, offer=planning.trainable_offer(account, "gpt-4.1-mini"), epochs=1
    )

    assert estimate.training_tokens == 65_536 + 110


def test_tells_the_history_of_the_estimates(api, organization, outsider_api):
    price = {"estimated_low_usd": 9, "estimated_high_usd": 11}
    succeeded(organization, estimated_tokens=100, trained_tokens=90, actual_cost_usd=10, **price)
    succeeded(organization, estimated_tokens=100, trained_tokens=104, actual_cost_usd=12, **price)
    succeeded(organization, estimated_tokens=100, trained_tokens=100)
    JobFactory(organization=organization, status=Status.FAILED)

    told = api.get(f"{JOBS}/stats").json()["estimates"]

    assert told == {
        "jobs": 3,
        "medianError": pytest.approx(0.04),
        "withinRange": 1,
        "costCompared": 2,
        "costUnknown": 1,
    }
    assert outsider_api.get(f"{JOBS}/stats").json()["estimates"]["jobs"] == 0


def test_shows_the_history_of_the_estimates(client, organization, user):
    client.force_login(user)
    succeeded(organization, name="Tone", estimated_tokens=100, trained_tokens=97)

    response = client.get(reverse("jobs:costs"))

    assert "Tone" in response.text
    assert "-3 %" in response.text
    assert "3.0 %" in response.text


def test_a_job_whose_price_is_unknown_has_not_missed_its_range(client, organization, user):
    client.force_login(user)
    price = {"estimated_low_usd": 9, "estimated_high_usd": 11}
    succeeded(organization, estimated_tokens=100, trained_tokens=100, actual_cost_usd=10, **price)
    succeeded(organization, estimated_tokens=100, trained_tokens=100)
    succeeded(organization, estimated_tokens=100, trained_tokens=100, actual_cost_usd=10)

    assert "<dd>1 of 1 job</dd>" in client.get(reverse("jobs:costs")).text


def test_shows_that_nothing_was_spent_yet(client, user):
    client.force_login(user)

    assert "No costs yet" in client.get(reverse("jobs:costs")).text


def test_refuses_a_base_model_on_its_last_day(organization, user, account, dataset, time_machine):
    BaseRetirement.objects.filter(base_model="gpt-4.1-mini-2025-04-14").update(retires_on="2026-11-23")
    time_machine.move_to(NOW)

    with pytest.raises(planning.BaseModelRetired):
        start(organization, user, dataset)


def test_reads_the_price_of_the_wanted_base_model_once(organization, user, account, dataset):
    with CaptureQueriesContext(connection) as queries:
        start(organization, user, dataset)

    asked = [query["sql"] for query in queries if 'FROM "base_prices"' in query["sql"]]
    assert len(asked) == 1
    assert "gpt-4.1-mini-2025-04-14" in asked[0]
