from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from datasets.models import Dataset
from finetuning import limits
from finetuning.errors import Refused, TooMany
from jobs import services as jobs
from tests.conftest import api_client
from tests.factories import DatasetFactory, JobFactory, OrganizationFactory, ProviderAccountFactory

DATASETS = "/api/fine-tuning/datasets"
JOBS = "/api/fine-tuning/jobs"

pytestmark = pytest.mark.django_db


def at_once(call, *, times, threads):
    """What the calls returned, or were refused with."""

    def run(_):
        try:
            return call()
        except Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(times)))


def upload(api, content=b'{"a": 1}\n'):
    file = SimpleUploadedFile("a.jsonl", content)
    return api.post(DATASETS, {"name": "Support", "file": file}, format="multipart")


def headers(answer):
    return tuple(int(answer[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


@pytest.fixture
def trainable(organization, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    ProviderAccountFactory(organization=organization, is_default=True)
    return DatasetFactory(organization=organization, examples=12)


def test_takes_so_many_uploads_an_hour(api, organization, settings):
    settings.UPLOADS_PER_HOUR = 2

    answers = [upload(api) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [headers(answer)[:2] for answer in answers] == [(2, 1), (2, 0), (2, 0)]
    assert answers[2].json()["code"] == "too_many_uploads"
    assert 3590 <= int(answers[2]["Retry-After"]) <= 3600
    assert organization.datasets.count() == 2


def test_charges_nothing_for_what_it_refuses(api, settings):
    settings.UPLOADS_PER_HOUR = 1

    refused = [upload(api, b"") for _ in range(3)]

    assert [answer.status_code for answer in refused] == [400] * 3
    assert upload(api).status_code == 201


def test_counts_imports_and_deleted_datasets_too(api, organization, settings):
    settings.UPLOADS_PER_HOUR = 1
    organization.conversations.record(messages=[{"role": "user", "content": "Hello"}])
    dataset = DatasetFactory(organization=organization)
    api.delete(f"{DATASETS}/{dataset.pk}")

    answer = api.post(f"{DATASETS}/import-from-conversations", {"name": "Talks"})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")


def test_has_room_again_when_the_deciding_row_is_an_hour_old(organization):
    now = timezone.now()
    for minutes in (50, 40, 30, 20):
        with time_machine.travel(now - timedelta(minutes=minutes), tick=False):
            DatasetFactory(organization=organization)
    made = Dataset.with_deleted.filter(organization=organization)

    # With a limit of 2 the second newest decides, not the oldest: there were more under a higher limit.
    allowance = limits.hourly_allowance(made, limit=2, now=now)

    assert (allowance.remaining, allowance.reset_seconds) == (0, 30 * 60)
    assert limits.hourly_allowance(made, limit=2, now=now + timedelta(minutes=30)).remaining == 1


def test_shows_the_limit_in_the_form_of_the_page(client, user, organization, settings):
    settings.UPLOADS_PER_HOUR = 1
    DatasetFactory(organization=organization)
    client.force_login(user)

    page = client.post("/datasets/new", {"name": "x", "file": SimpleUploadedFile("a.jsonl", b"{}")})

    assert page.status_code == 422
    assert "1 datasets an hour can be added" in page.content.decode()


def test_keeps_the_limits_of_organizations_apart(api, outsider_api, settings):
    settings.UPLOADS_PER_HOUR = 1

    assert [upload(api).status_code, upload(outsider_api).status_code] == [201, 201]


@pytest.mark.django_db(transaction=True)
def test_takes_exactly_so_many_uploads_however_many_come_at_the_same_time(user, organization, settings):
    settings.UPLOADS_PER_HOUR = 10
    api = api_client(user)

    answers = at_once(lambda: upload(copy(api)), times=200, threads=40)

    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [429] * 190
    assert organization.datasets.count() == 10


@pytest.mark.django_db(transaction=True)
def test_starts_exactly_so_many_jobs_however_many_come_at_the_same_time(
    user, organization, settings, trainable
):
    settings.JOBS_PER_HOUR = 5

    def start():
        return jobs.create_job(organization, by=user, name="x", dataset=trainable, base_model="gpt-4.1-mini")

    started = at_once(start, times=200, threads=40)

    assert sum(isinstance(one, TooMany) for one in started) == 195
    assert organization.jobs.count() == 5


def test_tells_what_is_left_of_the_jobs(api, organization, settings, trainable):
    settings.JOBS_PER_HOUR = 2
    JobFactory(organization=organization, dataset=trainable)
    order = {"name": "x", "datasetId": str(trainable.pk), "baseModel": "gpt-4.1-mini"}

    answers = [api.post(JOBS, order) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 429]
    assert headers(answers[0])[:2] == (2, 0)
    assert answers[1].json()["code"] == "too_many_jobs"


def test_counts_the_requests_of_a_minute(api, settings):
    settings.REQUESTS_PER_MINUTE = 2

    answers = [api.get(DATASETS) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [headers(answer)[:2] for answer in answers] == [(2, 1), (2, 0), (2, 0)]
    assert answers[2].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[2]["Retry-After"]) <= 60


@pytest.mark.django_db(transaction=True)
def test_lets_exactly_so_many_requests_through_at_the_same_time(settings):
    settings.REQUESTS_PER_MINUTE = 100
    organization = OrganizationFactory()

    counted = at_once(lambda: limits.count_request(organization.pk), times=200, threads=40)

    assert sum(not allowance.is_exceeded for allowance in counted) == 100


@pytest.fixture
def new_breaker(monkeypatch):
    monkeypatch.setattr(limits, "redis_breaker", limits.Breaker(seconds=60))
    limits._counter.cache_clear()
    yield
    limits._counter.cache_clear()


@pytest.mark.usefixtures("new_breaker")
def test_asks_a_silent_redis_once_and_answers_all_the_same(api, settings, silent_server):
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server.port}/0"

    answers = [api.get(DATASETS) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Limit" not in answers[-1]
    assert silent_server.connections == 1


@pytest.mark.usefixtures("new_breaker")
def test_answers_without_redis(api, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert api.get(DATASETS).status_code == 200


def test_lets_one_of_many_try_again():
    breaker = limits.Breaker(seconds=0)
    breaker.failed()
    first = breaker.allows()
    breaker.seconds = 60
    breaker.failed()

    assert (first, breaker.allows()) == (True, False)


def test_is_whole_again_after_a_success():
    breaker = limits.Breaker(seconds=60)
    breaker.failed()
    breaker.succeeded()

    assert [breaker.allows(), breaker.allows()] == [True, True]
