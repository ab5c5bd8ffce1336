"""Datasets as a worker makes them of bytes."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets import reading, services

NEW = reverse("datasets:new")


def row(number, **keys):
    messages = [
        {"role": "user", "content": f"Question {number}?"},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    return {"messages": messages, **keys}


def lines(*rows):
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


# Two rows that can be repaired, the last without an end, among all kinds of lines.
CR_ENDS = [
    b"\xef\xbb\xbf" + json.dumps(row(0)).encode() + b"\r\n",
    b"\n",
    b'{"messages": [{"role": "User ", "content": "Spaced?"},  {"role": "assistant", "content": "1"}]}\r\n',
    b"{broken\n",
    *(json.dumps(row(n)).encode() + b"\n" for n in range(1, 11)),
    b'{ "messages" : [{"role": "human", "content": "Last"}, {"role": "assistant", "content": " end "}]}',
]
GOOD = lines(*map(row, range(12)))


def content_of(dataset):
    with dataset.file.open("rb") as stored:
        return stored.read()


def read(dataset):
    """Does what a worker would, and returns the dataset as it is then."""
    reading.validate_dataset(dataset)
    dataset.refresh_from_db()
    return dataset


@pytest.fixture
def uploaded(organization, user, settings):
    """Uploads bytes and reads them."""
    settings.UPLOADS_PER_HOUR = 100

    def uploaded(content, name="training.jsonl", **options):
        file = SimpleUploadedFile(name, content)
        options = {"by": user, "name": "Support", **options}
        return read(services.upload_dataset(organization, file=file, **options))

    return uploaded


def page_of(dataset, page="detail"):
    return reverse(f"datasets:{page}", args=[dataset.pk])


@pytest.fixture
def member(client, user):
    client.force_login(user)
    return client


def upload(member, content, name="training.jsonl", **headers):
    sent = {"file": SimpleUploadedFile(name, content), "name": "Support", "description": "From March"}
    return member.post(NEW, sent, headers=headers)
