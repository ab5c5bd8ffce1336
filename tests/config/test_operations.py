"""What operators see of the installation, and what watches over it."""

import json
import re
from datetime import timedelta

import pytest
import yaml
from django.conf import settings as configured
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry
from prometheus_client.parser import text_string_to_metric_families

from config.celery import app
from tests.factories import DatasetFactory, JobFactory

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:operations")
FOLDER = configured.BASE_DIR / "docs" / "operations"
SWEEP = "jobs.tasks.advance_due_jobs"


def kinds(answer):
    return {row.kind: row for row in answer.context["waiting"]}


def test_shows_due_and_stuck_rows(operator_client):
    waiting = timezone.now() - timedelta(seconds=1)
    JobFactory(name="Just due", next_check_at=waiting)
    JobFactory(name="Long forgotten")
    DatasetFactory(status="processing", next_check_at=waiting)

    answer = operator_client.get(PAGE)

    assert (kinds(answer)["jobs"].due, kinds(answer)["jobs"].stuck) == (2, 1)
    assert (kinds(answer)["datasets"].due, kinds(answer)["datasets"].stuck) == (1, 0)
    assert "Long forgotten" in answer.text
    assert "Just due" not in answer.text


def test_works_while_the_broker_is_down(operator_client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    JobFactory(name="Long forgotten")

    answer = operator_client.get(PAGE)

    assert answer.status_code == 200
    assert "The broker does not answer" in answer.text
    assert "Long forgotten" in answer.text


def test_shows_accounts_that_fail_and_who_stores_most(operator_client, provider_account, organization):
    job = JobFactory(
        organization=organization,
        provider_account=provider_account,
        status="running",
        last_polled_at=timezone.now(),
    )
    JobFactory(
        organization=organization,
        provider_account=provider_account,
        status="running",
        last_polled_at=timezone.now(),
    )
    for _ in range(3):
        job.events.create(event_type="error", message="The provider did not answer.")
    DatasetFactory(organization=organization, file_size_bytes=5_000_000)

    answer = operator_client.get(PAGE)

    (account,) = answer.context["accounts"]
    assert (account["errors"], account["jobs_failing"], account["jobs_seen"]) == (3, 1, 2)
    assert answer.context["storage"][0]["size_bytes"] == 5_000_000


def test_tells_when_beat_last_sent_a_sweep(operator_client):
    interval = IntervalSchedule.objects.create(every=60, period="seconds")
    PeriodicTask.objects.create(name=SWEEP, task=SWEEP, interval=interval, last_run_at=timezone.now())

    late = {entry.name: entry.is_late for entry in operator_client.get(PAGE).context["beat"]}

    assert late.pop(SWEEP) is False
    assert set(late.values()) == {True}


def test_is_for_operators_only(client, owner):
    client.force_login(owner)

    assert client.get(PAGE).status_code == 302


def test_shows_the_schedule_and_lets_nobody_break_it(operator_client):
    # What Beat does when it starts.
    for name, shipped in configured.CELERY_BEAT_SCHEDULE.items():
        ModelEntry.from_entry(name, app=app, **shipped)
    entry = PeriodicTask.objects.get(name=SWEEP)
    changelist = reverse("admin:django_celery_beat_periodictask_changelist")
    change = reverse("admin:django_celery_beat_periodictask_change", args=[entry.pk])

    listed = operator_client.get(changelist)
    for action in ("delete_selected", "disable_tasks", "toggle_tasks"):
        operator_client.post(changelist, {"action": action, "_selected_action": [entry.pk], "post": "yes"})

    assert all(name in listed.text for name in configured.CELERY_BEAT_SCHEDULE)
    assert operator_client.post(change, {"name": "broken"}).status_code == 403
    assert operator_client.post(change.replace("change/", "delete/"), {"post": "yes"}).status_code == 403
    kept = PeriodicTask.objects.get(name=SWEEP)
    assert (kept.enabled, kept.task) == (True, SWEEP)


def printed_names(client):
    """Every name that a query can ask for."""
    text = client.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"}).content.decode()
    parts = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
    return {
        f"{family.name}{part}"
        for family in text_string_to_metric_families(text)
        for part in parts.get(family.type, ("",))
    }


@pytest.mark.parametrize("name", ["alerts.yml", "dashboard.json"])
def test_asks_for_no_metric_that_is_not_printed(client, settings, name):
    settings.METRICS_TOKEN = "m" * 20

    asked = set(re.findall(r"attune_[a-z_]+", (FOLDER / name).read_text()))

    assert asked
    assert asked - printed_names(client) == set()


def test_explains_every_metric_and_every_alert(client, settings):
    settings.METRICS_TOKEN = "m" * 20
    explained = (FOLDER / "monitoring.md").read_text()
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    alerts = [rule["alert"] for rule in group["rules"]]

    assert [name for name in alerts if name not in explained] == []
    own = {name for name in printed_names(client) if name.startswith("attune_")}
    bases = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in own}
    assert {name for name in bases if name not in explained} == set()


def test_ships_a_dashboard_that_can_be_imported():
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())

    assert {panel["targets"][0]["expr"] for panel in dashboard["panels"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_measures_what_a_broker_that_is_down_cannot_tell(client, settings):
    settings.METRICS_TOKEN, settings.REDIS_URL = "m" * 20, "redis://127.0.0.1:9/0"

    text = client.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"}).content.decode()

    assert "attune_broker_up 0.0" in text
    assert "attune_queue_messages{" not in text
