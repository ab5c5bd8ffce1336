"""Uploads of every kind, through the service: what is stored, read, and sent to the provider."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import reading, services, uploads
from datasets.training_files import write_training_files
from finetuning.providers import get_provider
from tests.datasets.test_layouts import ROWS, lines
from tests.datasets.test_parquet import table

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(organization, user):
    """Uploads files of `(name, bytes)` and reads them, as a worker would."""

    def upload(first, *others, **options):
        file, *more = [SimpleUploadedFile(name, data) for name, data in (first, *others)]
        dataset = services.upload_dataset(
            organization, by=user, file=file, more_files=more, name="Support", **options
        )
        reading.validate_dataset(dataset)
        dataset.refresh_from_db()
        return dataset

    return upload


def sent_rows(dataset, folder):
    training = write_training_files(dataset, split=0, seed=1, folder=folder).training
    return [json.loads(line) for line in training.read_bytes().splitlines()]


def numbered(row, number):
    """The row with another question, so that no two are the same."""
    return json.loads(json.dumps(row).replace('"Q"', f'"Q{number}"').replace("Add", f"Add {number}"))


@pytest.mark.parametrize(("row", "layout", "becomes"), ROWS.values(), ids=ROWS.keys())
def test_the_provider_is_sent_its_own_rows(
    upload, provider_account, settings, tmp_path, row, layout, becomes
):
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    rows = [numbered(row, number) for number in range(12)]

    dataset = upload(("a.jsonl", lines(*rows)))

    assert (dataset.status, dataset.layout, dataset.total_examples) == ("valid", layout, 12)
    sent = sent_rows(dataset, tmp_path)
    assert sent == [numbered(becomes or row, number) for number in range(12)]
    assert list(get_provider(provider_account).validate_dataset(sent, method=dataset.method)) == []


def test_the_uploaded_file_stays_as_it_was(upload):
    data = lines(*[{"instruction": f"Q{n}", "output": "A"} for n in range(12)])

    dataset = upload(("a.jsonl", data))

    with dataset.file.open() as stored:
        assert stored.read() == data


def test_reads_parquet(upload, tmp_path):
    rows = [{"prompt": f"Q{n}", "completion": "A"} for n in range(12)]

    dataset = upload(("a.parquet", table(rows)))

    assert (dataset.status, dataset.format, dataset.layout) == ("valid", "parquet", "prompt_completion")
    assert sent_rows(dataset, tmp_path)[3]["messages"][0]["content"] == "Q3"


def csv_of(*names, start=0):
    return f"{','.join(names)}\n{''.join(f'Q{n},A{n}{chr(10)}' for n in range(start, start + 6))}".encode()


@pytest.mark.parametrize(
    ("ending", "first", "second"),
    [
        ("jsonl", lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(6)]).rstrip(),
         lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(6, 12)])),
        ("json", json.dumps([{"prompt": f"Q{n}", "completion": "A"} for n in range(6)], indent=1).encode(),
         json.dumps([{"prompt": f"Q{n}", "completion": "A"} for n in range(6, 12)]).encode()),
        ("csv", csv_of("prompt", "completion"), csv_of("prompt", "completion", start=6)),
        ("parquet", table([{"prompt": f"Q{n}", "completion": "A"} for n in range(6)]),
         table([{"prompt": f"Q{n}", "completion": "A"} for n in range(6, 12)])),
    ],
)  # fmt: skip
def test_several_files_become_one_dataset(upload, ending, first, second):
    dataset = upload((f"a.{ending}", first), (f"b.{ending}", second))

    questions = [example.messages[0]["content"] for example in dataset.examples.order_by("position")]
    assert (dataset.status, questions) == ("valid", [f"Q{n}" for n in range(12)])
    assert dataset.file_size_bytes == len(first) + len(second)
    assert [file["name"] for file in dataset.files] == [f"a.{ending}", f"b.{ending}"]
    last = dataset.examples.get(position=11)
    assert f" of b.{ending}" in last.place


def test_says_in_which_file_a_problem_is(upload):
    good = lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(12)])

    dataset = upload(("a.jsonl", good), ("b.jsonl", b'{"prompt": "new"}\n' + good))

    assert dataset.total_examples + dataset.rejected_lines + dataset.blank_lines == dataset.total_lines == 25
    [layout] = dataset.problems.filter(code="layout")
    assert (layout.line, layout.place) == (13, "line 1 of b.jsonl")
    duplicate = dataset.problems.filter(code="duplicate").first()
    assert (duplicate.place, duplicate.message) == (
        "line 2 of b.jsonl",
        "The same example stands on line 1 of a.jsonl.",
    )
    assert dataset.placed_errors[0]["file"] == "b.jsonl"
    assert dataset.placed_errors[0]["fileLine"] == 1


def test_all_files_of_a_dataset_are_of_one_format(upload, organization):
    with pytest.raises(uploads.FileNotAccepted) as refusal:
        upload(("a.jsonl", b"{}"), ("b.csv", b"prompt,completion\n"))

    assert refusal.value.pointer == "/files/1"
    assert not organization.datasets.exists()


def test_the_layout_says_what_is_trained(upload):
    pair = {
        "input": {"messages": [{"role": "user", "content": "Q"}]},
        "preferred_output": [{"role": "assistant", "content": "A"}],
        "non_preferred_output": [{"role": "assistant", "content": "B"}],
    }
    chat = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}

    dataset = upload(("a.jsonl", lines(pair, chat)), layout="chat")

    assert dataset.method == "supervised"
    assert list(dataset.problems.filter(code="mixed_methods").values_list("line", flat=True)) == [1]


def test_a_mapping_is_stored_and_used_again(upload):
    data = b"one,two,three\n" + b"".join(b"Q%d,A,x\n" % n for n in range(12))

    dataset = upload(("a.csv", data), column_mapping={"one": "user", "two": "assistant"})
    services.revalidate_dataset(dataset)
    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.layout) == ("valid", "columns")
    assert dataset.column_mapping == {"one": "user", "two": "assistant"}
    assert dataset.problem_counts == {"unused_column": 1}


def test_a_dataset_without_a_layout_is_read_by_its_first_rows(upload):
    dataset = upload(("a.jsonl", lines(*[{"instruction": f"Q{n}", "output": "A"} for n in range(12)])))
    type(dataset).objects.update(layout="")

    services.revalidate_dataset(dataset)
    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.total_examples) == ("valid", 12)


def test_says_of_which_row_of_several_files_there_are_too_many(upload, monkeypatch):
    monkeypatch.setattr("datasets.layouts.reading.MAX_ROWS", 15)
    good = lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(12)])

    dataset = upload(("a.jsonl", good), ("b.jsonl", good))

    [surplus] = dataset.problems.filter(code="too_many_rows")
    assert (surplus.line, surplus.place, dataset.total_lines) == (16, "line 4 of b.jsonl", 15)
