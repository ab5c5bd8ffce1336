"""A large file is read in ranges, and nobody can tell from what is stored."""

import io
import os
import random
import signal
from itertools import count

import boto3
import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone
from moto import mock_aws
from storages.backends.s3 import S3Storage

from datasets import ranges, reading, tasks
from datasets.models import Dataset, DatasetRange
from datasets.tally import LinesLost
from tests.datasets.hostile.corpus import GOOD_LINES, assistant, chat, user
from tests.datasets.texts import WORDS
from tests.factories import DatasetFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

BAD_LINES = [b"", b"  \r", b"{", b"[]", b"null", b"\xff", chat(user()), chat(user(), assistant(" x"))]


def mixed_lines(seed, size=120):
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=30)) for _ in range(size // 3)]
    good = [chat(user(chance.choice(texts)), assistant("Mail ann@acme.io")) for _ in range(size)]
    lines = [chance.choice(BAD_LINES) if chance.random() < 0.2 else line for line in good]
    return b"\n".join(lines) + chance.choice([b"", b"\n", b"\n\n"])


PAIR = (
    b'{"input": {"messages": [{"role": "user", "content": "Q"}]},'
    b' "preferred_output": [{"role": "assistant", "content": "A"}],'
    b' "non_preferred_output": [{"role": "assistant", "content": "B"}]}'
)
GOOD_FILE = b"\n".join(chat(user(f"Question {n}?"), assistant("Yes.")) for n in range(100)) + b"\n"
FILES = {
    "good": GOOD_FILE,
    "mixed": mixed_lines(1),
    "mixed again": mixed_lines(2),
    "byte order mark": b"\xef\xbb\xbf" + mixed_lines(3),
    "begins with blank lines": b"\n\n \n" + GOOD_FILE,
    "nothing good": b"{}\n" * 300,
    "an array": b"[\n" + b",\n".join(GOOD_LINES * 10) + b"]",
    "another encoding": GOOD_FILE.decode().encode("utf-16"),
    "a long line": GOOD_FILE + chat(user("x" * 3_000), assistant()) + b"\n" + GOOD_FILE,
    "many of a problem": b"{\n" * 1_500 + GOOD_FILE,
    "begins with another method": (PAIR + b"\n") * 20 + GOOD_FILE,
    "another method in between": GOOD_FILE + (PAIR + b"\n") * 20 + GOOD_FILE,
}


@pytest.fixture
def dataset_of(organization):
    def dataset_of(content, **columns):
        dataset = DatasetFactory(
            organization=organization, status=Dataset.Status.PROCESSING, layout="chat", **columns
        )
        dataset.store_file(ContentFile(content), size=len(content))
        dataset.save()
        return dataset

    return dataset_of


@pytest.fixture
def small_ranges(monkeypatch):
    monkeypatch.setattr(ranges, "SPLIT_ABOVE_BYTES", 0)
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1_000)


def read_all(dataset):
    """What workers do, one after the other."""
    reading.validate_dataset(dataset)
    for part in dataset.ranges.order_by("-number"):
        tasks.read_range(range_id=part.pk)


def stored(dataset):
    """All that a reading leaves."""
    dataset.refresh_from_db()
    columns = ("status", "method", "total_examples", "total_tokens", "total_lines", "rejected_lines")
    columns += ("blank_lines", "problem_counts", "validation_errors", "quality", "next_check_at")
    problems = dataset.problems.values_list("line", "code", "severity", "pointer", "message", "found")
    examples = dataset.examples.order_by("position")
    return (
        {name: getattr(dataset, name) for name in columns},
        sorted(problems, key=str),
        list(examples.values_list("position", "line", "token_count", "messages", "attributes")),
    )


def read_in_one(dataset_of, content):
    dataset = dataset_of(content)
    reading.validate_dataset(dataset)
    assert not dataset.ranges.exists()
    return stored(dataset)


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in FILES.items()])
def test_stores_what_one_reader_would(dataset_of, request, content):
    expected = read_in_one(dataset_of, content)
    request.getfixturevalue("small_ranges")

    dataset = dataset_of(content)
    read_all(dataset)

    assert stored(dataset) == expected
    assert not dataset.ranges.exists()


def test_splits_at_line_ends_without_a_gap(small_ranges, dataset_of):
    content = mixed_lines(4)
    dataset = dataset_of(content)

    reading.validate_dataset(dataset)

    parts = list(dataset.ranges.order_by("number"))
    assert len(parts) > 5
    assert b"".join(content[part.first_byte : part.end_byte] for part in parts) == content
    assert all(content[part.end_byte - 1] == ord("\n") for part in parts[:-1])
    assert [part.first_line for part in parts[1:]] == [part.first_line + part.lines for part in parts[:-1]]


@pytest.mark.parametrize("rows", [16, 23, 40])
def test_splits_evenly(small_ranges, dataset_of, rows):
    row = chat(user("Who?"), assistant("Ann.")) + b"\n"
    dataset = dataset_of(row * rows)

    reading.validate_dataset(dataset)

    sizes = [part.end_byte - part.first_byte for part in dataset.ranges.all()]
    assert len(sizes) > 1
    assert max(sizes) <= 1_000
    assert max(sizes) - min(sizes) <= 2 * len(row)


def test_does_not_split_small_files_and_imports(organization, dataset_of, monkeypatch):
    assert not ranges.plan(dataset_of(GOOD_FILE))
    monkeypatch.setattr(ranges, "SPLIT_ABOVE_BYTES", 0)
    assert not ranges.plan(dataset_of(GOOD_FILE, source=Dataset.Source.CONVERSATIONS))
    assert not ranges.plan(dataset_of(b"prompt,completion\na,b\n", format="csv"))


def test_shows_how_far_it_has_come(small_ranges, dataset_of):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    shown = []

    for part in dataset.ranges.order_by("number"):
        dataset.refresh_from_db()
        shown.append(dataset.progress_percentage)
        tasks.read_range(range_id=part.pk)

    dataset.refresh_from_db()
    assert shown[0] == 0 < shown[1] < shown[-1] < 100 == dataset.progress_percentage
    assert shown == sorted(shown)


def test_reads_again_what_was_read(small_ranges, dataset_of):
    dataset = dataset_of(mixed_lines(5))
    read_all(dataset)
    first = stored(dataset)

    dataset.ask_for_check(now=timezone.now())
    read_all(dataset)

    assert stored(dataset) == first


def test_a_task_that_comes_twice_or_late_changes_nothing(small_ranges, dataset_of):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    part_ids = list(dataset.ranges.values_list("pk", flat=True))

    at_once(*[lambda pk=pk: tasks.read_range(range_id=pk) for pk in part_ids * 2])
    first = stored(dataset)
    for part_id in part_ids:
        tasks.read_range(range_id=part_id)

    assert (dataset.status, dataset.total_examples, dataset.examples.count()) == ("valid", 100, 100)
    assert stored(dataset) == first


def test_waits_for_its_ranges_when_asked_again(small_ranges, dataset_of):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)

    dataset.ask_for_check(now=timezone.now())
    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.next_check_at) == ("processing", None)


def test_a_reader_that_lost_its_range_stores_nothing(small_ranges, dataset_of, monkeypatch):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    part = dataset.ranges.get(number=1)
    monkeypatch.setattr(DatasetRange, "mark_read", lambda self, **_: False)

    with pytest.raises(ranges.LeaseLost):
        ranges.read_range(part)

    assert not dataset.examples.exists()


def test_gives_up_a_range_that_fails_again_and_again(small_ranges, dataset_of):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    part = dataset.ranges.get(number=1)
    dataset.ranges.filter(pk=part.pk).update(attempts=ranges.MAX_ATTEMPTS)

    tasks.read_range(range_id=part.pk)

    assert stored(dataset)[0]["problem_counts"] == {"not_read": 1}
    assert (dataset.status, dataset.ranges.count()) == ("invalid", 0)


def test_refuses_a_range_in_which_lines_are_missing(small_ranges, dataset_of):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    part = dataset.ranges.get(number=1)
    dataset.ranges.filter(pk=part.pk).update(lines=part.lines + 1)

    with pytest.raises(LinesLost):
        tasks.read_range(range_id=part.pk)

    assert not dataset.examples.exists()


@pytest.mark.parametrize("split_above", [0, 1_000_000], ids=["in ranges", "in one"])
def test_refuses_what_the_database_has_not_taken(small_ranges, dataset_of, monkeypatch, split_above):
    monkeypatch.setattr(ranges, "SPLIT_ABOVE_BYTES", split_above)
    dataset = dataset_of(GOOD_FILE)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            "CREATE TRIGGER drop_row BEFORE INSERT ON training_examples FOR EACH ROW"
            " WHEN (NEW.line = 2) EXECUTE FUNCTION drop_row()"
        )

    try:
        with pytest.raises(LinesLost):
            read_all(dataset)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION drop_row CASCADE")

    dataset.refresh_from_db()
    assert dataset.is_processing


def test_stops_at_the_row_after_the_last_that_is_read(small_ranges, dataset_of, monkeypatch):
    for module in ("datasets.ranges", "datasets.validation.plain"):
        monkeypatch.setattr(f"{module}.MAX_ROWS", 40)
    dataset = dataset_of(GOOD_FILE)

    read_all(dataset)

    columns, problems, examples = stored(dataset)
    assert (columns["problem_counts"], columns["total_lines"]) == ({"too_many_rows": 1}, 40)
    assert (problems[0][0], len(examples)) == (41, 40)


def test_rings_again_for_ranges_whose_reader_has_died(small_ranges, dataset_of, monkeypatch):
    dataset = dataset_of(GOOD_FILE)
    reading.validate_dataset(dataset)
    dead = dataset.ranges.get(number=3)
    for part in dataset.ranges.exclude(pk=dead.pk):
        part.claim(now=timezone.now(), until=timezone.now() + ranges.LEASE)
    rung = []
    monkeypatch.setattr(tasks.read_range, "apply_async", lambda kwargs, **_: rung.append(kwargs))

    tasks.validate_due_datasets()

    assert rung == [{"range_id": dead.pk}]


def test_few_ranges_of_a_file_wait_in_the_queue(small_ranges, dataset_of, monkeypatch):
    rung = []
    monkeypatch.setattr(tasks, "queue_on_commit", lambda task, range_id: rung.append(range_id))
    dataset = dataset_of(GOOD_FILE)

    tasks.validate_dataset(dataset_id=str(dataset.pk))
    waiting = len(rung)
    for range_id in rung:
        tasks.read_range(range_id=range_id)

    dataset.refresh_from_db()
    assert waiting == tasks.RANGES_AT_ONCE < len(rung)
    assert (dataset.status, dataset.total_examples) == ("valid", 100)


def struck(work, *, statement):
    """Do it in a process that is killed before its statement of that number. Whether that number was reached."""
    pid = os.fork()
    if pid == 0:
        seen = count(1)

        def strike(execute, *arguments):
            if next(seen) == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*arguments)

        # The parent's session stays open as long as nobody lets go of this.
        inherited, connection.connection = connection.connection, None
        with connection.execute_wrapper(strike):
            work()
        os._exit(inherited is None)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("split_above", [0, 1_000_000], ids=["in ranges", "in one"])
def test_survives_a_death_before_every_statement(small_ranges, dataset_of, monkeypatch, split_above):
    monkeypatch.setattr(ranges, "SPLIT_ABOVE_BYTES", split_above)
    dataset = dataset_of(mixed_lines(6, size=12))

    def work():
        reading.validate_dataset(Dataset.objects.get(pk=dataset.pk))
        for part in DatasetRange.objects.filter(dataset=dataset).order_by("number"):
            tasks.read_range(range_id=part.pk)

    work()
    expected = stored(dataset)
    for statement in count(1):
        dataset.ask_for_check(now=timezone.now())
        dataset.examples.filter(position__gte=statement % 3).delete()
        was_killed = struck(work, statement=statement)
        # The lease of the dead is over.
        for waiting in (Dataset, DatasetRange):
            waiting.objects.filter(next_check_at__isnull=False).update(next_check_at=timezone.now())
        work()
        assert stored(dataset) == expected
        if not was_killed:
            break

    assert statement > 15


def test_fetches_only_its_bytes_from_s3(dataset_of):
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="data")
        storage = S3Storage(bucket_name="data", region_name="us-east-1", access_key="a", secret_key="b")
        storage.save("a.jsonl", ContentFile(b"0123456789"))
        dataset = Dataset(file="a.jsonl")
        dataset.file.storage = storage

        got = ranges._bytes_of(dataset, DatasetRange(first_byte=3, end_byte=7))

    assert isinstance(got, io.BytesIO)
    assert got.getvalue() == b"3456"
