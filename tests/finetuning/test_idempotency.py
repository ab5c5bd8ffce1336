from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from finetuning import tasks
from finetuning.models import IdempotentAnswer, Role
from tests.conftest import api_client
from tests.factories import DatasetFactory, ProviderAccountFactory

DATASETS = "/api/fine-tuning/datasets"
JOBS = "/api/fine-tuning/jobs"
CONVERSATIONS = "/api/conversations"
TALK = {"messages": [{"role": "user", "content": "Hello"}]}

pytestmark = pytest.mark.django_db


def post(api, key, body=TALK, *, path=CONVERSATIONS, **options):
    return api.post(path, body, HTTP_IDEMPOTENCY_KEY=key, **options)


def upload(api, key, content=b'{"a": 1}\n', *, name="Support"):
    file = SimpleUploadedFile("a.jsonl", content)
    return post(api, key, {"name": name, "file": file}, path=DATASETS, format="multipart")


def age(organization, *, hours):
    organization.idempotent_answers.update(created_at=timezone.now() - timedelta(hours=hours))


def at_once(calls, *, threads):
    def run(call):
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, calls))


def stored_files(folder=""):
    folders, files = default_storage.listdir(folder)
    found = [f"{folder}/{name}".lstrip("/") for name in files]
    return found + [name for one in folders for name in stored_files(f"{folder}/{one}".lstrip("/"))]


@pytest.fixture
def job_order(organization, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    ProviderAccountFactory(organization=organization, is_default=True)
    dataset = DatasetFactory(organization=organization, examples=12)
    return {"name": "x", "datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini"}


def test_answers_again_what_it_answered_to_the_byte(api, organization):
    first = post(api, "k-1")
    second = post(api, "k-1")

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert organization.conversations.count() == 1


def test_refuses_another_body_under_the_same_key(api, organization):
    post(api, "k-1")

    answer = post(api, "k-1", TALK | {"agentId": "desk"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert organization.conversations.count() == 1


def test_refuses_another_path_under_the_same_key(owner_api):
    post(owner_api, "k-1", {"name": "desk"}, path="/api/agents")

    answer = post(owner_api, "k-1", {"name": "desk"}, path="/api/keys")

    assert answer.status_code == 422


def test_does_not_care_how_the_body_is_written(api):
    first = post(
        api,
        "k-1",
        b'{"name": "desk", "description": "d"}',
        path="/api/agents",
        content_type="application/json",
    )
    second = post(
        api, "k-1", b'{"description":"d","name":"desk"}', path="/api/agents", content_type="application/json"
    )

    assert (first.status_code, second.content) == (201, first.content)


def test_keeps_the_keys_of_organizations_apart(api, outsider_api, organization, other_organization):
    post(api, "k-1")

    answer = post(outsider_api, "k-1", TALK | {"agentId": "theirs"})

    assert answer.status_code == 201
    assert (organization.conversations.count(), other_organization.conversations.count()) == (1, 1)


def test_shows_a_colleague_nothing_of_an_answer(owner_api, admin):
    post(owner_api, "k-1", {"name": "desk"}, path="/api/keys")

    answer = post(api_client(admin), "k-1", {"name": "desk"}, path="/api/keys")

    assert answer.status_code == 422


def test_keeps_no_secret_in_clear(owner_api, organization):
    first = post(owner_api, "k-1", {"name": "desk"}, path="/api/keys")
    second = post(owner_api, "k-1", {"name": "desk"}, path="/api/keys")

    kept = organization.idempotent_answers.get()
    assert second.json()["key"] == first.json()["key"]
    assert second["Cache-Control"] == "no-store"
    assert first.json()["key"].encode() not in bytes(kept.sealed_answer)


def test_lets_a_refused_request_be_mended_under_its_key(api, organization):
    refused = post(api, "k-1", {"messages": []})

    mended = post(api, "k-1")

    assert (refused.status_code, mended.status_code) == (400, 201)


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\tb"])
def test_refuses_a_key_that_is_none(api, organization, key):
    answer = post(api, key)

    assert (answer.status_code, answer.json()["errors"][0]["header"]) == (400, "Idempotency-Key")
    assert not organization.conversations.exists()


def test_forgets_a_key_after_a_day(api, organization):
    post(api, "k-1", TALK | {"agentId": "desk"})
    age(organization, hours=24)

    answer = post(api, "k-1")

    assert (answer.status_code, "Idempotent-Replayed" in answer) == (201, False)
    assert organization.conversations.count() == 2


def test_deletes_what_nobody_can_ask_for_again(api, organization):
    post(api, "old")
    age(organization, hours=24)
    post(api, "new")

    tasks.delete_old_counters_and_answers()

    assert [answer.key for answer in organization.idempotent_answers.all()] == ["new"]


def test_stores_an_uploaded_file_once(api, organization):
    first = upload(api, "k-1")
    files = stored_files()

    second = upload(api, "k-1")
    other = upload(api, "k-1", b'{"a": 2}\n')

    assert (first.status_code, second.content, other.status_code) == (201, first.content, 422)
    assert stored_files() == files
    assert organization.datasets.count() == 1


def test_makes_neither_the_row_nor_the_key_when_it_dies_in_between(api, organization, monkeypatch):
    api.raise_request_exception = False
    monkeypatch.setattr(IdempotentAnswer, "keep", lambda *_, **__: 1 / 0)

    answer = post(api, "k-1")

    assert answer.status_code == 500
    assert not organization.conversations.exists()
    assert not organization.idempotent_answers.exists()


def test_removes_a_file_that_no_row_came_to_need(api, organization, monkeypatch):
    api.raise_request_exception = False
    before = stored_files()
    monkeypatch.setattr(IdempotentAnswer, "keep", lambda *_, **__: 1 / 0)

    answer = upload(api, "k-1")

    assert answer.status_code == 500
    assert stored_files() == before


def test_takes_a_key_for_a_webhook_endpoint(organization, user):
    organization.memberships.update(role=Role.ADMIN)
    api = api_client(user)
    order = {"url": "https://93.184.215.14/hook", "eventTypes": ["job.failed"]}

    answers = [post(api, "k-1", order, path="/api/webhooks/endpoints") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["secret"] == answers[1].json()["secret"]
    assert organization.webhook_endpoints.count() == 1


@pytest.mark.django_db(transaction=True)
def test_makes_one_job_for_each_key_however_many_ask_at_the_same_time(user, organization, job_order):
    keys = [f"k-{number}" for number in range(20)]
    api = api_client(user)
    orders = [lambda key=key: post(copy(api), key, job_order, path=JOBS) for key in keys * 50]

    answers = at_once(orders, threads=20)

    assert {answer.status_code for answer in answers} == {201}
    assert organization.jobs.count() == 20
    assert len({answer.content for answer in answers}) == 20


@pytest.mark.django_db(transaction=True)
def test_stores_one_file_however_many_ask_at_the_same_time(user, organization, settings):
    settings.UPLOADS_PER_HOUR = 1
    before = stored_files()

    answers = at_once([lambda: upload(api_client(user), "k-1")] * 10, threads=10)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert set(stored_files()) - set(before) == {organization.datasets.get().file.name}
