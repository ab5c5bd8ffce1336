from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from finetuning.attention import concerns, retiring
from finetuning.models import BaseRetirement
from finetuning.trends import DAYS, daily_counts
from tests.factories import DatasetFactory, JobFactory

pytestmark = pytest.mark.django_db


def named(organization, limit=10):
    return [concern.name for concern in concerns(organization, now=timezone.now(), limit=limit)]


def test_points_at_failed_jobs_and_invalid_datasets_of_the_organization(organization, other_organization):
    dataset = DatasetFactory(organization=organization, name="Flawed", status="invalid")
    JobFactory(organization=organization, name="Broken", status="failed", error_message="Out of money.")
    JobFactory(organization=organization, name="Fine", status="succeeded")
    JobFactory(organization=other_organization, name="Theirs", status="failed")

    found = concerns(organization, now=timezone.now(), limit=10)

    assert [(concern.name, concern.page, concern.detail) for concern in found] == [
        ("Broken", "jobs:detail", "Out of money."),
        ("Flawed", "datasets:detail", ""),
    ]
    assert found[1].row_id == dataset.pk


def test_leaves_alone_what_was_tried_again_or_is_long_ago(organization):
    failed = JobFactory(organization=organization, status="failed", name="Once")
    JobFactory(organization=organization, status="succeeded", retried_from=failed)
    old = JobFactory(organization=organization, status="failed", name="Old")
    type(old).objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))

    assert named(organization) == []


def test_shows_only_so_many_concerns(organization):
    JobFactory.create_batch(3, organization=organization, status="failed")

    assert len(named(organization, limit=2)) == 2


def test_names_base_models_that_retire_within_90_days_where_the_organization_has_an_account(provider_account):
    today = timezone.now().date()
    for name, kind, days in (
        ("soon", provider_account.kind, 90),
        ("later", provider_account.kind, 91),
        ("elsewhere", "openai", 1),
        ("unused", provider_account.kind, 1),
    ):
        BaseRetirement.objects.create(
            base_model=name, provider_kind=kind, retires_on=today + timedelta(days=days)
        )

    found = retiring(provider_account.organization, base_models={"soon", "later", "elsewhere"}, day=today)

    assert found == {"soon": today + timedelta(days=90)}


def test_counts_rows_by_the_day_in_one_query(organization, other_organization):
    now = timezone.now()
    jobs = JobFactory.create_batch(4, organization=organization)
    JobFactory(organization=other_organization)
    for job, days in zip(jobs[1:], (1, DAYS - 1, DAYS), strict=True):
        type(job).objects.filter(pk=job.pk).update(created_at=now - timedelta(days=days))
    datasets = organization.datasets.filter(name="none")

    with CaptureQueriesContext(connection) as sent:
        found = daily_counts({"jobs": organization.jobs.all(), "datasets": datasets}, now=now)

    assert found == {"jobs": [1, *[0] * (DAYS - 3), 1, 1], "datasets": [0] * DAYS}
    assert len(sent) == 1
