"""Files in a bucket: a server that speaks S3 over HTTP, and the storage as the settings make it."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from config.storage import s3_storage
from datasets import reading
from datasets.models import Dataset
from datasets.training_files import stored_file_is_unchanged
from tests.operations.stack import BUCKET, ObjectStore
from tests.operations.web import free_port

MEGABYTE = 1024 * 1024
KEYS = {"access_key": "key", "secret_key": "secret"}


@pytest.fixture(scope="module")
def endpoint():
    server = ObjectStore()
    server.start()
    server.client().create_bucket(Bucket=BUCKET)
    yield server
    server.kill()


@pytest.fixture
def store(endpoint):
    return endpoint.client()


@pytest.fixture
def storage(store, endpoint, settings):
    """The storage of files, until the end of the test."""
    made = s3_storage(
        bucket=BUCKET, endpoint_url=endpoint.url, region="us-east-1", encryption="AES256", **KEYS
    )
    settings.STORAGES = settings.STORAGES | {"default": made}
    return storages["default"]


def upload(api, content):
    file = ContentFile(content, name="a.jsonl")
    answer = api.post(
        "/api/fine-tuning/datasets", {"name": "In the bucket", "file": file}, format="multipart"
    )
    assert answer.status_code == 201
    return Dataset.objects.get(pk=answer.json()["id"])


def lines(megabytes):
    line = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "%s"}]}\n'
    return line % (b"x" * 1000) * (megabytes * MEGABYTE // 1000)


def test_encrypts_what_it_stores(storage, store):
    name = storage.save("a", ContentFile(b"content"))

    assert store.head_object(Bucket=BUCKET, Key=name)["ServerSideEncryption"] == "AES256"


def test_leaves_encryption_to_the_bucket_where_none_is_named(storage):
    made = s3_storage(bucket="b", endpoint_url=None, region=None, encryption="", **KEYS)

    assert made["OPTIONS"]["object_parameters"] == {}


def test_keeps_objects_private(storage, endpoint):
    name = storage.save("a", ContentFile(b"content"))

    answer = httpx2.get(f"{endpoint.url}/{BUCKET}/{name}")

    assert answer.status_code == 403
    assert b"content" not in answer.content


def test_makes_links_that_end_after_five_minutes(storage):
    link = storage.url(storage.save("a", ContentFile(b"content")))

    signed = parse_qs(urlsplit(link).query)
    assert signed["X-Amz-Expires"] == ["300"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert httpx2.get(link).content == b"content"


def test_writes_over_nothing(storage):
    first, second = (storage.save("a", ContentFile(content)) for content in (b"one", b"two"))

    assert first != second
    with storage.open(first) as stored:
        assert stored.read() == b"one"


@pytest.mark.django_db
def test_sends_a_large_upload_in_parts_each_with_a_checksum(storage, store, api):
    content = lines(megabytes=20)

    dataset = upload(api, content)

    stored = store.head_object(Bucket=BUCKET, Key=dataset.file.name, ChecksumMode="ENABLED")
    assert stored["ContentLength"] == len(content)
    assert stored["ETag"].endswith('-3"')
    assert any(name.startswith("Checksum") for name in stored)
    assert stored_file_is_unchanged(dataset)


@pytest.mark.django_db
def test_notices_an_object_that_somebody_has_written_over(storage, store, api):
    dataset = upload(api, lines(megabytes=1))
    reading.validate_dataset(dataset)

    store.put_object(Bucket=BUCKET, Key=dataset.file.name, Body=b"something else")

    dataset.refresh_from_db()
    assert dataset.status == Dataset.Status.VALID
    assert not stored_file_is_unchanged(dataset)


@pytest.mark.django_db(transaction=True)
def test_says_when_to_come_back_while_the_store_is_away_and_keeps_no_row(api, settings):
    nobody = f"http://127.0.0.1:{free_port()}"
    made = s3_storage(bucket=BUCKET, endpoint_url=nobody, region="us-east-1", encryption="AES256", **KEYS)
    settings.STORAGES = settings.STORAGES | {"default": made}
    api.raise_request_exception = False

    file = ContentFile(lines(megabytes=1), name="a.jsonl")
    answer = api.post("/api/fine-tuning/datasets", {"name": "Nowhere", "file": file}, format="multipart")

    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert not Dataset.objects.exists()
