import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import reading
from tests.datasets.conftest import lines, row
from tests.factories import DatasetFactory, JobFactory

pytestmark = pytest.mark.django_db
DATASETS = "/api/fine-tuning/datasets"


def jsonl(count):
    return lines(*map(row, range(count)))


def upload(api, content, *, file_name="training.jsonl", **fields):
    form = {"name": "Support", **fields, "file": SimpleUploadedFile(file_name, content)}
    return api.post(DATASETS, form, format="multipart")


def test_uploads_a_file_that_a_worker_reads(api, organization, user):
    answer = upload(api, jsonl(12), description="From March")

    body = answer.json()
    assert answer.status_code == 201
    assert (body["status"], body["source"], body["format"]) == ("processing", "upload", "jsonl")
    assert body["creator"] == {"id": str(user.pk), "email": user.email, "name": user.email}
    assert body["createdAt"].endswith("Z")
    assert "file" not in body
    reading.validate_dataset(organization.datasets.get(pk=body["id"]))
    detail = api.get(f"{DATASETS}/{body['id']}").json()
    assert (detail["status"], detail["validated"], detail["totalExamples"]) == ("valid", True, 12)
    assert detail["validationReport"]["totalLines"] == 12


@pytest.mark.parametrize(
    ("file_name", "content", "status"),
    [("a.jsonl", b"", 400), ("a.jsonl", b"%PDF-1.7\n", 415), ("a.jsonl", b"\x1f\x8b\x08\0", 415)],
)
def test_refuses_a_file_that_cannot_be_training_data(api, organization, file_name, content, status):
    answer = upload(api, content, file_name=file_name)

    assert answer.status_code == status
    assert answer.json()["errors"][0]["pointer"] == "/file"
    assert not organization.datasets.exists()


def test_refuses_a_file_over_the_limit(api, organization, settings):
    settings.UPLOAD_MAX_BYTES = 1024 * 1024

    answer = upload(api, jsonl(20_000))

    assert answer.status_code == 413
    assert answer.json()["code"] == "upload_too_large"
    assert not organization.datasets.exists()


def test_takes_a_file_as_a_form_only(api):
    answer = api.post(DATASETS, {"name": "Support"})

    assert answer.status_code == 415


def test_refuses_an_upload_with_fields_missing_or_misspelt(api, organization):
    answer = upload(api, jsonl(12), name="", desciption="From March")

    codes = {error["pointer"]: error["code"] for error in answer.json()["errors"]}
    assert answer.status_code == 400
    assert codes == {"/name": "blank", "/desciption": "unknown_field"}
    assert not organization.datasets.exists()


def test_lists_the_newest_first_page_by_page(api, organization):
    names = [DatasetFactory(organization=organization).name for _ in range(5)]

    first = api.get(DATASETS, {"limit": 3}).json()
    second = api.get(DATASETS, {"limit": 3, "cursor": first["nextCursor"]}).json()

    assert [row["name"] for row in first["data"] + second["data"]] == names[::-1]
    assert (first["hasMore"], second["hasMore"], second["nextCursor"]) == (True, False, None)


def test_lists_each_row_once_while_others_are_added_and_deleted(api, organization):
    names = [DatasetFactory(organization=organization).name for _ in range(6)][::-1]
    first = api.get(DATASETS, {"limit": 2}).json()
    for _ in range(3):
        DatasetFactory(organization=organization)
    api.delete(f"{DATASETS}/{first['data'][1]['id']}")

    second = api.get(DATASETS, {"limit": 2, "cursor": first["nextCursor"]}).json()
    third = api.get(DATASETS, {"limit": 2, "cursor": second["nextCursor"]}).json()

    assert [row["name"] for page in (first, second, third) for row in page["data"]] == names
    assert third["nextCursor"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=9" * 30, "limit=١", "cursor=x", "cursor=%00"]
)
def test_refuses_a_page_that_cannot_be(api, query):
    answer = api.get(f"{DATASETS}?{query}")

    assert answer.status_code == 400


def test_lists_one_workspace(api, organization):
    workspace = organization.workspaces.create(name="Research")
    dataset = DatasetFactory(organization=organization, workspace=workspace)
    DatasetFactory(organization=organization)

    found = api.get(DATASETS, {"workspaceId": str(workspace.pk)}).json()["data"]

    assert [row["id"] for row in found] == [str(dataset.pk)]


def test_counts_datasets(api, organization):
    DatasetFactory(organization=organization, examples=3)
    DatasetFactory(organization=organization, status="invalid", format="csv")

    stats = api.get(f"{DATASETS}/stats").json()

    assert stats == {
        "totalDatasets": 2,
        "totalExamples": 3,
        "totalTokens": 30,
        "totalSizeBytes": 0,
        "validatedDatasets": 1,
        "byFormat": {"jsonl": 1, "csv": 1},
        "bySource": {"upload": 2},
    }


def test_changes_name_and_description_only(api, organization):
    dataset = DatasetFactory(organization=organization, description="Old")

    renamed = api.put(f"{DATASETS}/{dataset.pk}", {"name": "New"})
    described = api.patch(f"{DATASETS}/{dataset.pk}", {"description": "Better"})
    refused = api.patch(f"{DATASETS}/{dataset.pk}", {"status": "invalid"})

    dataset.refresh_from_db()
    assert (renamed.status_code, described.status_code, refused.status_code) == (200, 200, 400)
    assert (dataset.name, dataset.description, dataset.status) == ("New", "Better", "valid")


def test_deletes_a_dataset_for_everybody(api, owner_api, organization):
    dataset = DatasetFactory(organization=organization)

    answer = owner_api.delete(f"{DATASETS}/{dataset.pk}")

    assert answer.status_code == 204
    assert api.get(f"{DATASETS}/{dataset.pk}").status_code == 404


def test_keeps_a_dataset_that_a_job_needs(owner_api, organization):
    dataset = DatasetFactory(organization=organization)
    JobFactory(organization=organization, dataset=dataset)

    answer = owner_api.delete(f"{DATASETS}/{dataset.pk}")

    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
    assert organization.datasets.filter(pk=dataset.pk).exists()


@pytest.mark.parametrize(("examples", "message"), [(1, "holds 1 example."), (9, "holds 9 examples.")])
def test_validates_a_small_file_at_once(api, organization, examples, message):
    created = upload(api, jsonl(examples)).json()

    answer = api.post(f"{DATASETS}/{created['id']}/validate")

    body = answer.json()
    assert (answer.status_code, body["valid"], body["totalExamples"]) == (200, False, examples)
    assert body["errors"][0]["code"] == "min_examples"
    assert body["errors"][0]["message"].endswith(message)


def test_tells_what_the_examples_are_like(api, organization):
    body = upload(api, jsonl(12) + jsonl(1)).json()
    before = api.get(f"{DATASETS}/{body['id']}").json()

    reading.validate_dataset(organization.datasets.get(pk=body["id"]))

    after = api.get(f"{DATASETS}/{body['id']}").json()
    assert (before["quality"], before["progressPercentage"]) == (None, 0)
    assert after["progressPercentage"] == 100
    assert after["quality"]["exactDuplicates"] == after["validationReport"]["problemCounts"]["duplicate"] == 1
    assert after["quality"]["statistics"]["roles"] == {"assistant": 13, "user": 13}
    assert 0 < after["quality"]["health"]["score"] < 100
    assert "quality" not in api.get(DATASETS).json()["data"][0]


def test_leaves_a_large_file_to_a_worker(api, organization):
    dataset = DatasetFactory(organization=organization, file_size_bytes=6_000_000)

    answer = api.post(f"{DATASETS}/{dataset.pk}/validate")

    assert (answer.status_code, answer.json()["valid"]) == (202, None)
    assert answer["Location"].endswith(f"{DATASETS}/{dataset.pk}")


def test_shows_examples_with_the_problems_of_their_lines(api, organization):
    dataset = DatasetFactory(organization=organization, examples=3)
    dataset.problems.create(code="duplicate", severity="warning", line=2, message="Twice")

    page = api.get(f"{DATASETS}/{dataset.pk}/examples").json()

    assert [row["position"] for row in page["data"]] == [0, 1, 2]
    assert [[problem["code"] for problem in row["problems"]] for row in page["data"]] == [
        [],
        ["duplicate"],
        [],
    ]
    assert page["data"][0]["messages"][0] == {"role": "user", "content": "Question 0?"}


@pytest.mark.parametrize("query", [{"search": 'question "1"'}, {"problem": "duplicate"}])
def test_finds_examples_by_text_or_problem(api, organization, query):
    dataset = DatasetFactory(organization=organization, examples=3)
    dataset.problems.create(code="duplicate", severity="warning", line=2, message="Twice")
    dataset.examples.filter(position=1).update(messages=[{"role": "user", "content": 'Question "1"?'}])

    page = api.get(f"{DATASETS}/{dataset.pk}/examples", query).json()

    assert [row["position"] for row in page["data"]] == [1]


def test_tells_examples_of_one_line_apart(api, organization):
    rows = [{}, *map(row, range(12)), row(4)]
    created = upload(api, json.dumps(rows).encode(), file_name="all.json").json()
    reading.validate_dataset(organization.datasets.get(pk=created["id"]))

    page = api.get(f"{DATASETS}/{created['id']}/examples", {"problem": "duplicate"}).json()
    whole = api.get(f"{DATASETS}/{created['id']}/examples").json()

    [again] = page["data"]
    [problem] = again["problems"]
    assert (again["position"], problem["line"], problem["pointer"]) == (12, 1, "/13")
    assert problem["message"] == "The same example stands on line 1, /5."
    assert [example["position"] for example in whole["data"] if example["problems"]] == [12]


@pytest.mark.parametrize("problem", ["duplicates", "\0", "x" * 41])
def test_refuses_a_problem_that_there_is_not(api, organization, problem):
    dataset = DatasetFactory(organization=organization, examples=1)

    refused = api.get(f"{DATASETS}/{dataset.pk}/examples", {"problem": problem})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["parameter"] == "problem"


ALPACA = b"".join(json.dumps({"instruction": f"Q{n}", "output": "A"}).encode() + b"\n" for n in range(12))
CSV = b"one,two\n" + b"".join(b"Q%d,A\n" % n for n in range(12))
PREVIEWS = "/api/dataset-previews"


def test_says_in_which_layout_a_file_is(api):
    body = upload(api, ALPACA).json()

    assert (body["format"], body["layout"], body["columnMapping"]) == ("jsonl", "alpaca", {})
    assert body["files"] == [{"name": "training.jsonl", "sizeBytes": len(ALPACA), "firstLine": 1}]


def test_takes_a_layout_and_a_mapping(api):
    chosen = upload(api, ALPACA, layout="chat").json()
    mapped = upload(api, CSV, file_name="a.csv", columnMapping='{"one": "user", "two": "assistant"}').json()

    assert chosen["layout"] == "chat"
    assert (mapped["layout"], mapped["columnMapping"]) == ("columns", {"one": "user", "two": "assistant"})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"layout": "robot"}, "/layout"),
        ({"columnMapping": "{"}, "/columnMapping"),
        ({"columnMapping": "[]"}, "/columnMapping"),
        ({"columnMapping": '{"one": 1}'}, "/columnMapping"),
        ({"columnMapping": '{"one": "user", "one": "assistant"}'}, "/columnMapping"),
        ({"columnMapping": '{"one": "user"}'}, "/columnMapping"),
        ({"columnMapping": '{"three": "messages"}'}, "/columnMapping"),
        ({"columnMapping": '{"one": "user", "two": "assistant"}', "layout": "chat"}, "/layout"),
    ],
)
@pytest.mark.parametrize("path", [DATASETS, PREVIEWS])
def test_says_what_is_wrong_with_a_layout_or_a_mapping(api, organization, path, fields, pointer):
    name = {"name": "Support"} if path == DATASETS else {}
    form = {**name, **fields, "file": SimpleUploadedFile("a.csv", CSV)}

    answer = api.post(path, form, format="multipart")

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not organization.datasets.exists()


def test_takes_several_files(api, organization):
    files = [SimpleUploadedFile("a.jsonl", jsonl(12)), SimpleUploadedFile("b.jsonl", b"{}\n")]

    answer = api.post(DATASETS, {"name": "Support", "files": files}, format="multipart")

    body = answer.json()
    assert answer.status_code == 201
    assert [(file["name"], file["firstLine"]) for file in body["files"]] == [("a.jsonl", 1), ("b.jsonl", 13)]
    reading.validate_dataset(organization.datasets.get())
    [error] = api.get(f"{DATASETS}/{body['id']}").json()["validationErrors"]
    assert (error["line"], error["file"], error["fileLine"]) == (13, "b.jsonl", 1)


@pytest.mark.parametrize("fields", [{"file": 2}, {"file": 1, "files": 1}, {"file": 0}])
def test_takes_one_file_or_several_but_not_both(api, organization, fields):
    form = {
        name: [SimpleUploadedFile(f"{name}{n}.jsonl", jsonl(12)) for n in range(count)]
        for name, count in fields.items()
    }

    answer = api.post(DATASETS, {"name": "Support", **form}, format="multipart")

    assert (answer.status_code, answer.json()["code"]) == (400, "file_missing")
    assert not organization.datasets.exists()


def test_previews_a_file_and_keeps_nothing(api, organization):
    content = ALPACA.replace(b'"output"', b'"putout"', 1)

    answer = api.post(PREVIEWS, {"file": SimpleUploadedFile("a.jsonl", content)}, format="multipart")

    body = answer.json()
    assert (answer.status_code, body["format"], body["layout"]) == (200, "jsonl", "alpaca")
    assert (body["complete"], len(body["rows"])) == (False, 10)
    broken, good = body["rows"][:2]
    assert (broken["accepted"], broken["row"], broken["problems"][0]["code"]) == (False, None, "layout")
    assert good["accepted"]
    assert good["row"]["messages"][0] == {"role": "user", "content": "Q1"}
    assert not organization.datasets.exists()


def test_previews_say_what_the_columns_are(api):
    content = CSV.replace(b"one,two", b"Question,answer")

    body = api.post(PREVIEWS, {"file": SimpleUploadedFile("a.csv", content)}, format="multipart").json()

    assert body["columns"] == ["Question", "answer"]
    assert body["columnMapping"] == {"Question": "user", "answer": "assistant"}


@pytest.mark.parametrize(("content", "status"), [(b"", 400), (b"%PDF-1.7\n", 415), (b"x" * 3000, 413)])
def test_previews_refuse_what_an_upload_refuses(api, settings, content, status):
    settings.UPLOAD_MAX_BYTES = 2000

    answer = api.post(PREVIEWS, {"file": SimpleUploadedFile("a.jsonl", content)}, format="multipart")

    assert answer.status_code == status


def test_says_in_which_file_an_error_is_when_asked_to_validate(api, organization):
    files = [SimpleUploadedFile("a.jsonl", jsonl(12)), SimpleUploadedFile("b.jsonl", b"\n{broken\n")]
    created = api.post(DATASETS, {"files": files, "name": "Both"}, format="multipart").json()

    body = api.post(f"{DATASETS}/{created['id']}/validate").json()

    shown = api.get(f"{DATASETS}/{created['id']}").json()["validationErrors"]
    assert body["errors"] == shown
    assert [(error["line"], error["file"], error["fileLine"]) for error in shown] == [(14, "b.jsonl", 2)]
