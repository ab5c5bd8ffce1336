"""Versions over the API, under their own prefix beside the 27 operations."""

import csv
import io
import json

import pytest

from datasets.models import Dataset
from tests.datasets.conftest import content_of, lines, read, row
from tests.factories import FineTunedModelFactory, JobFactory

pytestmark = pytest.mark.django_db

FLAWED = lines(
    *map(row, range(12)),
    {"messages": [{"role": "User ", "content": "ann@mail.acme.io"}, {"role": "assistant", "content": "Hi"}]},
    {"messages": [row(1)["messages"][0], {"role": "assistant", "content": "Mail bob@mail.acme.io"}]},
)


def at(dataset, action):
    return f"/api/datasets/{dataset.pk}/{action}"


def made(answer):
    assert answer.status_code == 201, answer.json()
    return read(Dataset.objects.get(pk=answer.json()["id"]))


def test_repairs_make_a_version(api, uploaded, user):
    dataset = uploaded(FLAWED)

    answer = api.post(at(dataset, "repairs"))

    body = answer.json()
    assert (body["status"], body["version"], body["parentId"]) == ("processing", 2, str(dataset.pk))
    assert (body["seriesId"], body["change"]) == (str(dataset.pk), {"kind": "repairs"})
    assert body["creator"]["id"] == str(user.pk)
    assert made(answer).change["counts"] == {"kept": 13, "changed": 1, "mended": 1}


def test_a_repeated_request_makes_one_version(api, uploaded):
    dataset = uploaded(FLAWED)
    key = {"Idempotency-Key": "once"}

    first, again = (api.post(at(dataset, "repairs"), headers=key) for _ in range(2))

    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert dataset.children.count() == 1


def test_redaction_makes_a_version(api, uploaded):
    version = made(api.post(at(uploaded(FLAWED), "redaction")))

    assert b"mail.acme.io" not in content_of(version)


@pytest.mark.parametrize("action", ["repairs", "redaction"])
def test_refuses_to_change_nothing(api, uploaded, action):
    answer = api.post(at(uploaded(lines(*map(row, range(12)))), action))

    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_change")


def test_filters(api, uploaded):
    version = made(
        api.post(at(uploaded(FLAWED), "filter"), {"keep": "matching", "search": "Mail", "minTokens": 3})
    )

    assert version.change == {
        "kind": "filter",
        "keep": "matching",
        "search": "Mail",
        "minTokens": 3,
        "counts": {"kept": 1, "removed": 13},
    }


@pytest.mark.parametrize(
    ("action", "sent", "pointer"),
    [
        ("filter", {"keep": "all", "search": "x"}, "/keep"),
        ("filter", {"keep": "others"}, ""),
        ("filter", {"keep": "others", "minTokens": 0}, "/minTokens"),
        ("sample", {"name": "x", "count": 100, "seed": 1}, "/count"),
        ("sample", {"name": "x", "count": 1}, "/seed"),
        ("split", {"ratio": 1, "seed": 1}, "/ratio"),
        ("edits", {"kind": "add"}, "/example"),
        ("edits", {"kind": "add", "example": {"messages": []}}, "/example"),
        ("edits", {"kind": "delete", "position": 1, "example": {}}, "/example"),
        ("edits", {"kind": "change", "example": row(1)}, "/position"),
    ],
)
def test_says_what_is_wrong_with_a_request(api, uploaded, action, sent, pointer):
    answer = api.post(at(uploaded(FLAWED), action), sent)

    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]] or not pointer


def test_samples_splits_and_merges(api, uploaded):
    dataset = uploaded(lines(*map(row, range(20))))

    sample = made(api.post(at(dataset, "sample"), {"name": "Ten", "count": 10, "seed": 5}))
    parts = api.post(at(dataset, "split"), {"ratio": 0.5, "seed": 5}).json()
    training, validation = (
        read(Dataset.objects.get(pk=parts[part]["id"])) for part in ("training", "validation")
    )
    merged = made(api.post(at(training, "merge"), {"name": "All", "datasetIds": [str(validation.pk)]}))

    assert (sample.total_examples, sample.name, sample.version) == (10, "Ten", 1)
    assert (training.total_examples, validation.total_examples, merged.total_examples) == (10, 10, 20)


def test_lists_versions_the_newest_first_and_the_newest_only_among_datasets(api, uploaded):
    first = uploaded(FLAWED)
    second = made(api.post(at(first, "repairs")))

    listed = api.get(at(first, "versions")).json()["data"]
    datasets = api.get("/api/fine-tuning/datasets").json()["data"]

    assert [one["id"] for one in listed] == [str(second.pk), str(first.pk)]
    assert [one["id"] for one in datasets] == [str(second.pk)]
    assert api.get(f"/api/fine-tuning/datasets/{first.pk}").json()["supersededAt"] is not None
    assert api.get("/api/fine-tuning/datasets/stats").json()["totalDatasets"] == 1


def test_pages_through_a_diff(api, uploaded):
    version = made(api.post(at(uploaded(FLAWED), "filter"), {"keep": "others", "search": "Question"}))

    first = api.get(at(version, "diff"), {"limit": 10}).json()
    second = api.get(at(version, "diff"), {"limit": 10, "cursor": first["nextCursor"]}).json()

    assert [change["number"] for change in first["data"] + second["data"]] == list(range(1, 14))
    assert first["data"][0] == {
        "number": 1,
        "kind": "removed",
        "parentLine": 1,
        "line": None,
        "details": [{"pointer": "", "before": json.dumps(row(0)), "after": None}],
    }


def test_edits_wait_in_a_draft_until_they_are_saved(api, uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))

    for edit in (
        {"kind": "change", "position": 3, "example": row(100)},
        {"kind": "delete", "position": 0},
        {"kind": "add", "example": row(200)},
    ):
        assert api.post(at(dataset, "edits"), edit).status_code == 201
    drafts = api.get(at(dataset, "edits")).json()["data"]
    version = made(api.post(at(dataset, "edits/save")))

    assert [(edit["kind"], edit["position"], edit["example"]) for edit in drafts] == [
        ("change", 3, row(100)),
        ("delete", 0, None),
        ("add", None, row(200)),
    ]
    assert drafts[0]["creator"]["id"] == str(user.pk)
    assert content_of(version) == lines(row(1), row(2), row(100), *map(row, range(4, 12)), row(200))
    assert api.get(at(dataset, "edits")).json()["data"] == []


def test_discards_a_draft(api, uploaded):
    dataset = uploaded(lines(*map(row, range(12))))
    api.post(at(dataset, "edits"), {"kind": "delete", "position": 0})

    assert api.delete(at(dataset, "edits")).status_code == 204

    answer = api.post(at(dataset, "edits/save"))
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_change")


def test_tells_the_lineage_from_conversations_to_models(api, organization):
    for number in range(12):
        organization.conversations.record(messages=row(number)["messages"])
    imported = api.post("/api/fine-tuning/datasets/import-from-conversations", {"name": "Import"})
    first = made(imported)
    second = made(api.post(at(first, "filter"), {"keep": "others", "search": "Question 1?"}))
    job = JobFactory(organization=organization, dataset=second, status="succeeded")
    model = FineTunedModelFactory(organization=organization, job=job)
    sample = made(api.post(at(second, "sample"), {"name": "Few", "count": 3, "seed": 1}))

    lineage = api.get(at(second, "lineage")).json()

    assert (lineage["conversations"], lineage["totalExamples"]) == (11, 11)
    assert [source["id"] for source in lineage["sources"]] == [str(first.pk)]
    assert lineage["version"]["version"] == 2
    assert [dataset["id"] for dataset in lineage["derived"]] == [str(sample.pk)]
    assert lineage["jobs"] == [
        {
            "id": str(job.pk),
            "name": job.name,
            "status": "succeeded",
            "model": {"id": str(model.pk), "name": model.name, "version": 1},
        }
    ]
    assert api.get(at(first, "lineage")).json()["conversations"] == 12
    examples = api.get(f"/api/fine-tuning/datasets/{sample.pk}/examples").json()["data"]
    origins = {str(pk) for pk in organization.conversations.values_list("pk", flat=True)}
    assert len({example["conversationId"] for example in examples} & origins) == 3


def test_a_source_that_was_deleted_stays_in_the_lineage(api, owner_api, uploaded):
    first = uploaded(FLAWED)
    second = made(api.post(at(first, "repairs")))

    owner_api.delete(f"/api/fine-tuning/datasets/{first.pk}")

    [source] = api.get(at(second, "lineage")).json()["sources"]
    assert (source["id"], source["deleted"]) == (str(first.pk), True)


def test_reports_all_problems_as_a_file(api, uploaded):
    dataset = uploaded(FLAWED)

    answer = api.get(at(dataset, "problem-report"), {"fileFormat": "csv"})

    assert answer["Content-Disposition"] == 'attachment; filename="support-v1-problems.csv"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert [(one["line"], one["code"]) for one in rows] == [("13", "role"), ("14", "personal_data")]


def test_exports_a_file_or_says_which_line_does_not_fit(api, uploaded):
    dataset = uploaded(lines(*map(row, range(10)), {"messages": row(1)["messages"] * 2}))

    jsonl = api.get(at(dataset, "export"), {"fileFormat": "jsonl"})
    refused = api.get(at(dataset, "export"), {"fileFormat": "csv"})

    assert jsonl.getvalue() == content_of(dataset)
    assert jsonl["Content-Disposition"] == 'attachment; filename="support-v1.jsonl"'
    assert (refused.status_code, refused.json()["code"]) == (400, "not_exportable")
    assert refused.json()["detail"].startswith("Line 11 does not fit")


def test_gives_a_file_to_whoever_accepts_only_such_files(api, uploaded):
    dataset = uploaded(FLAWED)
    csv_only = {"Accept": "text/csv"}

    answer = api.get(at(dataset, "problem-report"), {"fileFormat": "csv"}, headers=csv_only)
    refused = api.get(at(dataset, "problem-report"), {"fileFormat": "xml"}, headers=csv_only)

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("query", [{}, {"fileFormat": "xml"}, {"format": "xml"}])
def test_asks_for_a_format_that_there_is(api, uploaded, query):
    assert api.get(at(uploaded(FLAWED), "export"), query).status_code in (400, 404)
