"""Private data is shown to nobody who only looks."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import editing, versions
from datasets.deriving.differences import differences
from datasets.quality.private_data import mask
from tests.datasets.conftest import GOOD, lines, page_of, read, row

pytestmark = pytest.mark.django_db

MAIL, PHONE = "ann@mail.acme.io", "+49 30 901820"
HIDDEN = MAIL.replace("@", "\\u0040")


def asked(question):
    return {"messages": [{"role": "user", "content": question}, row(1)["messages"][1]]}


ROW = asked(f"Call\n{PHONE}")
WRITTEN = json.dumps(asked(MAIL)).replace(MAIL, HIDDEN).encode() + b"\n"
BROKEN = json.dumps(ROW).encode()[:-1] + b"\n"


def assert_masked(text):
    assert PHONE not in text
    assert MAIL not in text
    assert HIDDEN not in text


@pytest.mark.parametrize("line", [lines(ROW), WRITTEN, BROKEN], ids=["line end", "escaped", "broken"])
def test_a_line_that_was_taken_out_is_masked_as_it_reads(uploaded, user, line):
    parent = uploaded(GOOD + line)

    version = read(versions.filter_dataset(parent, by=user, keep="matching", search="Question"))

    [change] = version.changes.all()
    assert change.details[0]["before"]
    assert_masked(change.details[0]["before"])


def test_an_example_that_was_added_is_masked_as_it_reads(uploaded, user):
    dataset = uploaded(GOOD)
    editing.add_example(dataset, by=user, text=json.dumps(ROW))

    version = read(editing.save_edits(dataset, by=user))

    [detail] = version.changes.get().details
    assert "Call" in detail["after"]
    assert_masked(detail["after"])


@pytest.mark.parametrize("other", [None, "x"])
def test_values_of_a_difference_are_masked_as_they_read(other):
    [found] = differences({"messages": ROW["messages"]}, {"messages": other})

    assert "Call" in found.before
    assert_masked(found.before)


def test_a_draft_is_masked_as_it_reads(member, uploaded, user):
    dataset = uploaded(GOOD)
    editing.add_example(dataset, by=user, text=json.dumps(ROW))
    editing.change_example(dataset, by=user, position=1, text=WRITTEN.decode())

    page = member.get(page_of(dataset, "draft")).content.decode()

    assert "Call" in page
    assert_masked(page)


def test_a_row_that_is_rejected_is_masked_in_a_preview_as_it_reads(member):
    sent = {"file": SimpleUploadedFile("a.jsonl", lines(ROW | {"messages": ROW["messages"][:1]}))}

    page = member.post("/datasets/new/preview", sent).content.decode()

    assert "Call" in page
    assert_masked(page)


def test_names_in_a_conversation_are_masked(member, uploaded):
    named = {"messages": [{"role": "user", "name": MAIL, "content": "Hi"}, row(1)["messages"][1]]}
    dataset = uploaded(lines(named) + GOOD)

    page = member.get(page_of(dataset)).content.decode()

    assert "an…io" in page.partition('id="example-1"')[2]
    assert_masked(page.partition('id="example-1"')[2])


@pytest.mark.parametrize(
    "private",
    [
        MAIL,
        f"{'x' * 186} {MAIL}",
        f"-----BEGIN PRIVATE KEY-----\n{'MIIEpAIBAAKC' * 40}\n-----END PRIVATE KEY-----",
    ],
    ids=["whole", "cut", "longer than is shown"],
)
def test_system_prompts_are_masked(api, member, uploaded, private):
    prompt = {"role": "system", "content": f"You are {private}"}
    dataset = uploaded(lines(*({"messages": [prompt, *row(n)["messages"]]} for n in range(12))))

    page = member.get(page_of(dataset)).content.decode()
    body = api.get(f"/api/fine-tuning/datasets/{dataset.pk}").json()

    shown = page.partition("<summary>System prompts</summary>")[2].partition("</details>")[0]
    for text in (shown, str(body["quality"]["statistics"]["systemPrompts"])):
        assert "You are" in text
        assert "ann@" not in text
        assert "MIIE" not in text


def test_of_system_prompts_that_are_masked_alike_all_are_counted(api, uploaded):
    def said(number):
        prompt = {"role": "system", "content": f"Ask an{number}@mail.acme.io"}
        return {"messages": [prompt, *row(number)["messages"]]}

    dataset = uploaded(lines(*map(said, range(12))))

    assert dataset.quality["summary"]["system_prompts"] == {"Ask an…io": 12}


def test_a_viewer_sees_an_example_masked(client, viewer, uploaded):
    client.force_login(viewer)
    dataset = uploaded(lines(ROW, asked(MAIL)) + GOOD)

    pages = [
        client.get(f"{page_of(dataset, 'example')}?position={position}").content.decode()
        for position in (0, 1)
    ]

    assert "Call" in pages[0]
    assert_masked("".join(pages))


def test_who_may_edit_an_example_sees_it_as_it_is(member, uploaded):
    dataset = uploaded(lines(asked(MAIL)) + GOOD)

    assert MAIL in member.get(f"{page_of(dataset, 'example')}?position=0").content.decode()


def test_masks_what_is_left_of_a_key_that_was_cut_off():
    body = "MIIEpAIBAAKCAQEA" * 4

    masked = mask(f"Use -----BEGIN RSA PRIVATE KEY-----\n{body}\n{body} or not")

    assert masked.startswith("Use --…")
    assert masked.endswith(" or not")
    assert "MIIE" not in masked
