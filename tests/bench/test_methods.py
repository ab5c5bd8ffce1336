"""Each method of the benchmark of ingestion gets through a small file."""

import pytest

from datasets.models import TrainingExample
from tests.bench import methods
from tests.bench.corpus import write_corpus


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.jsonl"
    write_corpus(path, size=100_000, seed=1)
    return path


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["cookbook", "plain_django", "copy_alone"])
def test_reads_every_line(method, file):
    lines = len(file.read_bytes().splitlines())

    took = {
        "cookbook": lambda: methods.cookbook(file, file),
        "plain_django": lambda: methods.plain_django(file, file),
        "copy_alone": lambda: methods.copy_alone(file),
    }[method]()

    assert took["cpu"] > 0
    assert TrainingExample.objects.count() == (0 if method == "cookbook" else lines)
