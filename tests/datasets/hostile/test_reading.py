"""What is stored of hostile files: a verdict, the same however often it is asked for, and every line counted."""

import tracemalloc
from itertools import chain, repeat

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from datasets import reading
from datasets.formats import UnreadableRow, sniff
from datasets.formats.rows import read_rows
from datasets.models import Dataset
from datasets.problems import KEPT_PER_CODE
from datasets.training_files import row_of
from finetuning.providers import get_provider
from jobs import services as jobs
from tests.datasets.hostile.corpus import GOOD_FILE, GOOD_LINES, INVALID, READ, VALID
from tests.factories import DatasetFactory

CASES = [
    *((title, name, data, "invalid") for title, name, data, _ in INVALID),
    *((title, name, data, "valid") for title, name, data, _ in VALID),
    *((title, name, data, status) for title, name, data, status, _ in READ),
]


def stored(organization, name, data):
    dataset = DatasetFactory(
        organization=organization, file_name=name, format=sniff(data, name), status=Dataset.Status.PROCESSING
    )
    dataset.store_file(ContentFile(data), size=len(data))
    dataset.save()
    return dataset


def verdict(dataset):
    dataset.refresh_from_db()
    kept = dataset.problems.order_by("id").values_list("code", "severity", "line", "pointer", "found")
    counts = (dataset.total_examples, dataset.total_tokens, dataset.total_lines, dataset.rejected_lines)
    return dataset.status, counts, dataset.problem_counts, list(kept)


@pytest.mark.parametrize(("name", "data", "status"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_stores_a_verdict_and_every_line(organization, name, data, status):
    dataset = stored(organization, name, data)

    reading.validate_dataset(dataset)

    first = verdict(dataset)
    assert dataset.status == status
    assert dataset.total_examples + dataset.rejected_lines + dataset.blank_lines == dataset.total_lines
    assert dataset.examples.count() == dataset.total_examples
    kept = sum(min(count, KEPT_PER_CODE) for count in dataset.problem_counts.values())
    assert dataset.problems.count() == kept
    dataset.ask_for_check(now=timezone.now())
    reading.validate_dataset(dataset)
    assert verdict(dataset) == first


@pytest.mark.parametrize(("name", "data", "codes"), [pytest.param(c[1], c[2], c[4], id=c[0]) for c in READ])
def test_judges_rows_together(organization, name, data, codes):
    dataset = stored(organization, name, data)

    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert dataset.problem_counts.keys() == codes


@pytest.mark.parametrize(("name", "data"), [pytest.param(c[1], c[2], id=c[0]) for c in VALID])
def test_what_is_valid_here_is_valid_before_it_is_sent(organization, provider_account, settings, name, data):
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    dataset = stored(organization, name, data)
    reading.validate_dataset(dataset)

    rows = [row_of(example) for example in dataset.examples.order_by("position")]

    assert list(get_provider(provider_account).validate_dataset(rows, method="supervised")) == []


class Blocks:
    """A file that is made while it is read; counts what was read of it."""

    def __init__(self, blocks):
        self.blocks = iter(blocks)
        self.bytes_read = 0

    def read(self, size):
        block = next(self.blocks, b"")
        self.bytes_read += len(block)
        return block


@pytest.mark.parametrize(
    "middle",
    [
        pytest.param(chain([b"["], repeat(b"{}," * 333_333, 99), [b"{}]"]), id="71 objects"),
        pytest.param(chain([b'"'], repeat(b"x" * 1_000_000, 100), [b'"']), id="72 string"),
    ],
)
def test_71_72_holds_no_line_of_100_mb(middle):
    file = Blocks(chain([GOOD_LINES[0] + b"\n"], middle, [b"\n" + GOOD_LINES[1]]))
    tracemalloc.start()

    readings = list(read_rows(file, "jsonl"))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000
    assert isinstance(readings[1], UnreadableRow)
    assert (readings[1].line, readings[1].problem.code) == (2, "line_too_long")
    assert readings[2].line == 3


def test_73_stops_at_the_first_million_of_short_lines(monkeypatch):
    monkeypatch.setattr("datasets.formats.lines.MAX_ROWS", 1_000)
    file = Blocks(repeat(b"1\n" * 500, 50_000))

    *rows, last = read_rows(file, "jsonl")

    assert (len(rows), last.code) == (1_000, "too_many_rows")
    assert file.bytes_read < 10_000


def test_86_does_not_send_what_was_replaced_after_its_validation(
    organization, user, sandbox, provider_account
):
    dataset = stored(organization, "a.jsonl", GOOD_FILE)
    reading.validate_dataset(dataset)
    job = jobs.create_job(organization, by=user, name="x", dataset=dataset, base_model="gpt-4.1-mini")
    default_storage.delete(dataset.file.name)
    default_storage.save(dataset.file.name, ContentFile(GOOD_FILE.replace(b"Hello", b"Howdy")))

    jobs.advance_job(job)

    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "hash_mismatch")
    assert (job.training_file_id, job.provider_job_id) == ("", None)
