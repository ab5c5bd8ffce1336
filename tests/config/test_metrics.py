import socket
import subprocess
import sys

import pytest
from django.conf import settings as configured
from prometheus_client.parser import text_string_to_metric_families

from jobs.states import Status
from tests.factories import DatasetFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def scrape(client, settings):
    settings.METRICS_TOKEN = "token-of-prometheus"

    def samples():
        answer = client.get("/metrics", HTTP_AUTHORIZATION="Bearer token-of-prometheus")
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    return samples


def test_counts_jobs_by_state_and_work_that_waits(scrape):
    JobFactory(status=Status.RUNNING)
    JobFactory(status=Status.SUCCEEDED)
    DatasetFactory(status="processing")

    found = scrape()

    assert found["attune_jobs", "running"] == 1
    assert ("attune_jobs", "succeeded") not in found
    assert (found["attune_due_rows", "jobs"], found["attune_due_rows", "datasets"]) == (1, 1)
    assert found["attune_due_age_seconds", "jobs"] > 0


def test_says_zero_where_nothing_waits(scrape):
    assert scrape()["attune_due_age_seconds", "jobs"] == 0


def test_measures_requests_by_route_not_by_path(scrape, client):
    client.get("/jobs/01a20bc4-5e0e-74c7-91bd-15e30e28bad4")

    assert scrape()["attune_http_request_seconds_count", "GET", "jobs/<uuid:job_id>", "302"] >= 1


def test_a_method_of_the_callers_own_makes_no_series(scrape, client):
    client.generic("BREW", "/")

    assert [labels for labels in scrape() if "BREW" in labels] == []


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer wrong", "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_is_not_there_without_the_token(client, settings, authorization):
    settings.METRICS_TOKEN = "token-of-prometheus"

    assert client.get("/metrics", HTTP_AUTHORIZATION=authorization).status_code == 404


def test_is_not_there_where_no_token_is_set(client, settings):
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 404


def test_tells_what_the_processes_that_share_a_folder_measured(scrape, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    measure = (
        "from finetuning.metrics import task_seconds as s; s.labels('elsewhere', 'succeeded').observe(1)"
    )
    subprocess.run([sys.executable, "-c", measure], cwd=configured.BASE_DIR, check=True)

    found = {frozenset(key): value for key, value in scrape().items()}

    assert found[frozenset({"attune_task_seconds_count", "elsewhere", "succeeded"})] == 1
    # Processes of two containers may have the same number.
    assert all(socket.gethostname() in path.name for path in tmp_path.iterdir())
