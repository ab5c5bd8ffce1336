"""Datasets as a worker makes them of bytes."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import reading, services


def row(number, **keys):
    messages = [
        {"role": "user", "content": f"Question {number}?"},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    return {"messages": messages, **keys}


def lines(*rows):
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


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
