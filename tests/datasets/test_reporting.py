"""The full report says what the reading of the file said, beyond what is kept of it."""

import csv
import io
import json
from collections import Counter

import pytest

from datasets.deriving.lines import FileChanged
from datasets.exporting import NothingStored
from datasets.reporting import report
from tests.datasets.conftest import lines, row
from tests.datasets.hostile import corpus
from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db


def reported(dataset):
    return [json.loads(line) for line in b"".join(report(dataset, "jsonl")).splitlines()]


MIXED = b"".join(
    [
        b"\xef\xbb\xbf",
        lines(*map(row, range(12)), row(3)),
        b"\n{broken\n[]\n",
        lines({"messages": [{"role": "robot", "content": "ann@mail.acme.io"}]}),
        lines({"messages": [row(1)["messages"][0], {"role": "assistant", "content": " ann@mail.acme.io "}]}),
        lines(
            {
                "input": {"messages": [row(1)["messages"][0]]},
                "preferred_output": [row(1)["messages"][1]],
                "non_preferred_output": [row(2)["messages"][1]],
            }
        ),
    ]
)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (MIXED, "a.jsonl"),
        (lines(*map(row, range(3))), "few.jsonl"),
        (json.dumps([row(1), {}, row(1)]).encode(), "a.json"),
        (b'prompt,completion,more\n"a","b","c"\n"a","b"\n"=a"," b ","c"\n', "a.csv"),
        (b"", "none"),
    ],
)
def test_reports_what_reading_the_file_found(uploaded, content, name):
    dataset = uploaded(content or b"\n", name=name if content else "a.jsonl")
    columns = ("severity", "code", "line", "pointer", "message", "found", "expected", "fix")

    found = reported(dataset)

    kept = list(dataset.problems.order_by("id").values(*columns))
    assert found == kept
    assert Counter(problem["code"] for problem in found) == dataset.problem_counts


def test_reports_more_than_is_kept(uploaded, monkeypatch):
    monkeypatch.setattr("datasets.problems.KEPT_PER_CODE", 2)
    dataset = uploaded(lines(*map(row, range(12))) + b"{broken\n" * 5)

    assert dataset.problems.filter(code="invalid_json").count() == 2
    assert [problem["line"] for problem in reported(dataset)] == [13, 14, 15, 16, 17]


def test_csv_says_the_same_and_does_nothing(uploaded):
    dataset = uploaded(lines(*map(row, range(12))) + b'=HYPERLINK("http://x")\n{"=1+1": 1}\n')

    rows = list(csv.DictReader(io.StringIO(b"".join(report(dataset, "csv")).decode(), newline="")))

    assert [(one["line"], one["code"]) for one in rows] == [
        (str(problem["line"]), problem["code"]) for problem in reported(dataset)
    ]
    assert rows[0]["found"].startswith("'=HYPERLINK")
    assert any(one["found"] == "'=1+1" for one in rows)


def test_reports_nothing_of_a_file_that_was_exchanged(uploaded):
    dataset = uploaded(lines(*map(row, range(12))))
    with dataset.file.storage.open(dataset.file.name, "wb") as stored:
        stored.write(corpus.GOOD_FILE)

    with pytest.raises(FileChanged):
        report(dataset, "csv")


def test_reports_nothing_without_a_file(organization):
    with pytest.raises(NothingStored):
        report(DatasetFactory(organization=organization), "csv")
