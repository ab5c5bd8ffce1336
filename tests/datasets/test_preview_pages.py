"""What a file would become, before it is kept: on the page that uploads it."""

import json

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets import reading
from tests.datasets.conftest import GOOD, NEW, page_of, upload

PREVIEW = reverse("datasets:preview")
CSV = b"one,two\n" + b"".join(b"Question %d?,Answer.\n" % number for number in range(12))


def preview(member, content, file_name="training.csv", **sent):
    headers = {"hx_request": "true"} if sent.pop("by_script", True) else {}
    return member.post(PREVIEW, {"file": SimpleUploadedFile(file_name, content), **sent}, headers=headers)


def test_previews_what_the_rows_become(member, organization):
    answer = preview(member, GOOD + b"{\n", "training.jsonl")

    assert answer.status_code == 200
    assert "JSONL, Chat" in answer.text
    assert "Question 3?" in answer.text
    assert "What is each column?" not in answer.text
    assert not organization.datasets.exists()


def test_previews_a_broken_row_with_its_problem(member):
    answer = preview(member, b"{broken\n" + GOOD, "training.jsonl")

    assert "Rejected" in answer.text
    assert "invalid_json" in answer.text


def test_asks_what_the_columns_are_when_their_names_do_not_say(member):
    answer = preview(member, CSV)

    assert answer.text.count('name="column"') == answer.text.count('name="target"') == 2
    assert "The table does not have the columns that are needed." in answer.text


def test_suggests_what_the_columns_are(member):
    answer = preview(member, b"question,answer\nQ,A\n")

    assert '<option value="user" selected>' in answer.text
    assert '<option value="assistant" selected>' in answer.text


def test_previews_columns_as_they_were_chosen(member):
    answer = preview(member, CSV, column=["one", "two"], target=["user", "assistant"])

    assert answer.status_code == 200
    assert "Question 3?" in answer.text
    assert "Accepted" in answer.text


def test_lets_columns_be_chosen_again_when_they_make_no_example(member):
    answer = preview(member, CSV, column=["one", "two"], target=["user", "user"])

    assert answer.status_code == 422
    assert "only one can be" in answer.text
    assert answer.text.count('<option value="user" selected>') == 2


def test_says_why_a_file_cannot_be_previewed(member):
    answer = preview(member, b"%PDF-1.7 ")

    assert answer.status_code == 422
    assert "PDF" in answer.text


def test_previews_without_a_script_and_keeps_what_was_typed(member):
    answer = preview(
        member,
        CSV,
        by_script=False,
        name="Support",
        description="",
        column=["one", "two"],
        target=["user", "assistant"],
    )

    assert "<title>" in answer.text
    assert 'value="Support"' in answer.text
    assert "This field is required" not in answer.text
    assert "Question 3?" in answer.text


def test_previews_the_beginning_of_a_file_without_its_cut_row(member):
    answer = preview(member, GOOD[:-1000], "training.jsonl", cut="1")

    assert "invalid_json" not in answer.text


def test_uploads_with_columns_as_they_were_chosen(member, organization):
    sent = {"name": "Support", "files": SimpleUploadedFile("training.csv", CSV)}

    member.post(NEW, {**sent, "column": ["one", "two", "three"], "target": ["user", "assistant", ""]})

    assert organization.datasets.get().column_mapping == {"one": "user", "two": "assistant"}


def test_says_that_columns_make_no_example(member, organization):
    sent = {"name": "Support", "files": SimpleUploadedFile("training.csv", CSV)}

    answer = member.post(NEW, {**sent, "column": ["one"], "target": ["user"]})

    assert answer.status_code == 422
    assert "The columns do not make an example" in answer.text
    assert not organization.datasets.exists()


def test_uploads_several_files_and_shows_which_they_are(member, organization):
    files = [SimpleUploadedFile("a.jsonl", GOOD), SimpleUploadedFile("b.jsonl", GOOD)]
    member.post(NEW, {"name": "Support", "files": files})
    dataset = organization.datasets.get()
    reading.validate_dataset(dataset)

    answer = member.get(page_of(dataset))

    assert "b.jsonl (" in answer.text
    assert "Line 1 of b.jsonl" in answer.text


def test_says_in_which_layout_a_file_is(member, organization):
    content = b"".join(
        json.dumps({"instruction": f"Q{n}", "output": "A"}).encode() + b"\n" for n in range(12)
    )
    upload(member, content)
    dataset = organization.datasets.get()
    reading.validate_dataset(dataset)

    assert "JSONL, Alpaca" in member.get(page_of(dataset)).text


def test_masks_what_is_private_and_shows_what_hides(member, uploaded):
    private = "sk-proj-" + "a1B2" * 10
    said = f"{private} ann@acme.io \x1b[31m \u202eabc"
    talk = {"messages": [{"role": "user", "content": said}, {"role": "assistant", "content": "A"}]}
    content = json.dumps(talk).encode() + b"\n" + GOOD

    page = member.get(page_of(uploaded(content))).text
    previewed = preview(member, content, "training.jsonl").text
    refused = preview(member, json.dumps({**talk, "x": 1}).encode() + b"\n" + GOOD, "training.jsonl").text

    for answer in (page, previewed, refused):
        assert "sk…B2 an…io \\u001b[31m \\u202eabc" in answer.replace("\\\\", "\\")
        assert not [hidden for hidden in (private, "ann@acme.io", "\x1b", "\u202e") if hidden in answer]
