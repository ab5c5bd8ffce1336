import pytest
from django.core.files.base import ContentFile

from datasets import reading
from datasets.formats import sniff
from datasets.models import Dataset
from tests.datasets.hostile.corpus import INVALID, VALID
from tests.factories import DatasetFactory


def stored(organization, name, data):
    dataset = DatasetFactory(
        organization=organization, file_name=name, format=sniff(data, name), status=Dataset.Status.PROCESSING
    )
    dataset.store_file(ContentFile(data), size=len(data))
    dataset.save()
    return dataset


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        pytest.param(name, data, status, id=title)
        for cases, status in ((INVALID, "invalid"), (VALID, "valid"))
        for title, name, data, _ in cases
    ],
)
def test_stores_a_verdict_and_every_line(organization, name, data, status):
    dataset = stored(organization, name, data)

    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert dataset.status == status
    assert dataset.total_examples + dataset.rejected_lines + dataset.blank_lines == dataset.total_lines
    assert dataset.examples.count() == dataset.total_examples
    assert dataset.problems.count() == sum(dataset.problem_counts.values())
