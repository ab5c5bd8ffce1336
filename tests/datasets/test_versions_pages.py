"""Pages about versions, drafts and exports. They work without JavaScript."""

import json

import pytest
from django.urls import reverse

from datasets import editing, versions
from datasets.models import Dataset
from tests.datasets.conftest import content_of, lines, page_of, read, row
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory

pytestmark = pytest.mark.django_db

FLAWED = lines(
    *map(row, range(12)),
    {"messages": [{"role": "User ", "content": "Hi"}, {"role": "assistant", "content": "<b>Hi"}]},
    {"messages": [row(1)["messages"][0], {"role": "assistant", "content": "Mail bob@mail.acme.io"}]},
)


def made(answer):
    """The dataset to whose page the answer leads, as a worker leaves it."""
    assert answer.status_code == 302
    return read(Dataset.objects.get(pk=answer.url.rpartition("/")[2]))


def test_offers_repairs_and_redaction(member, uploaded):
    text = member.get(page_of(uploaded(FLAWED))).text

    assert "Apply up to 1 repair" in text
    assert "Redact 1 finding" in text
    assert "Version 1 of 1" in text


def test_repairs_and_shows_what_changed(member, uploaded):
    dataset = uploaded(FLAWED)

    version = made(member.post(page_of(dataset, "repair")))

    detail, diff = member.get(page_of(version)).text, member.get(page_of(version, "diff")).text
    assert "Repairs: 1 line changed, 13 lines kept as they were, 1 problem mended." in detail
    assert "Version 2 of 2" in detail
    assert "Line 13 was changed" in diff
    assert '<del dir="auto"><span class="visually-hidden" dir="ltr">Before:</span> User </del>' in diff
    assert '<ins dir="auto"><span class="visually-hidden" dir="ltr">After:</span> user</ins>' in diff
    assert "show the newest" in member.get(page_of(dataset)).text


def test_redacts(member, uploaded):
    version = made(member.post(page_of(uploaded(FLAWED), "redact")))

    assert "[EMAIL_1]" in member.get(page_of(version)).text


def test_says_why_nothing_is_repaired(member, uploaded):
    dataset = uploaded(lines(*map(row, range(12))))

    answer = member.post(page_of(dataset, "repair"), follow=True)

    assert "No problem of this dataset has a mechanical repair" in answer.text
    assert not dataset.children.exists()


def test_lists_the_newest_version_only(member, uploaded, user):
    dataset = uploaded(FLAWED)
    version = read(versions.repair_dataset(dataset, by=user))

    text = member.get(reverse("datasets:list")).text

    assert page_of(version) in text
    assert page_of(dataset) not in text


def test_shows_versions_with_their_lineage(member, uploaded, user, organization):
    dataset = uploaded(FLAWED)
    version = read(versions.filter_dataset(dataset, by=user, keep="others", problem="role"))
    sample = read(versions.sample_dataset(version, by=user, name="A few of them", count=3, seed=1))
    job = JobFactory(organization=organization, dataset=version, status="succeeded", name="Tuning")
    FineTunedModelFactory(organization=organization, job=job, name="Tuned model")
    JobFactory(organization=organization, dataset=version, name="Still running")

    text = member.get(page_of(version, "versions")).text

    for words in ("Filter of version 1", "1 line removed", 'Problem: <span class="mono">role</span>'):
        assert words in text
    for shown in (page_of(dataset), page_of(sample), "Tuning", "Tuned model", "Still running"):
        assert shown in text


def test_shows_many_versions_with_the_same_queries(member, uploaded, user, django_assert_max_num_queries):
    dataset = uploaded(FLAWED)
    for _ in range(5):
        read(versions.repair_dataset(dataset, by=user))

    with django_assert_max_num_queries(13):
        member.get(page_of(dataset, "versions"))


@pytest.mark.parametrize(
    ("sent", "examples"),
    [
        ({"kind": "filter", "keep": "matching", "search": "Question 1?", "problem": ""}, 2),
        ({"kind": "filter", "keep": "others", "problem": "personal_data", "min_tokens": "2"}, 12),
        ({"kind": "sample", "name": "Few", "count": "5", "seed": "1"}, 5),
    ],
)
def test_filters_and_samples(member, uploaded, sent, examples):
    version = made(member.post(page_of(uploaded(FLAWED), "derive"), sent))

    assert version.total_examples == examples


def test_splits_and_merges(member, uploaded, organization):
    dataset = uploaded(FLAWED)

    assert (
        member.post(page_of(dataset, "derive"), {"kind": "split", "share": "50", "seed": "1"}).status_code
        == 302
    )

    training, validation = organization.datasets.filter(parent=dataset).order_by("name")
    assert (training.change["ratio"], training.change["part"]) == (0.5, "training")
    read(training)
    read(validation)
    sent = {"kind": "merge", "name": "All", "others": [str(validation.pk)]}
    merged = made(member.post(page_of(training, "derive"), sent))
    assert merged.total_examples == dataset.total_examples == 13


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"kind": "filter", "keep": "others"}, "Say by what to filter"),
        ({"kind": "filter", "keep": "others", "problem": "nothing"}, "Select a valid choice"),
        ({"kind": "sample", "name": "Few", "count": "500", "seed": "1"}, "There are 13 examples only"),
        ({"kind": "split", "share": "100", "seed": "1"}, "less than or equal to 99"),
        ({"kind": "merge", "name": "All"}, "This field is required"),
        ({"kind": "everything"}, "Filter"),
    ],
)
def test_says_what_is_wrong_and_keeps_what_was_typed(member, uploaded, sent, words):
    dataset = uploaded(FLAWED)

    answer = member.post(page_of(dataset, "derive"), sent)

    assert answer.status_code == 422
    assert words in answer.text
    assert not dataset.children.exists()
    if "name" in sent:
        assert f'value="{sent["name"]}"' in answer.text


def test_a_draft_is_made_looked_at_and_saved(member, uploaded):
    dataset = uploaded(lines(*map(row, range(12))))
    example = page_of(dataset, "example")
    assert "&quot;Question 3?&quot;" in member.get(f"{example}?position=3").text

    member.post(f"{example}?position=3", {"example": json.dumps(row(100), indent=2)})
    member.post(f"{example}?position=0", {"example": "whatever", "delete": "1"})
    member.post(example, {"example": json.dumps(row(200))})

    assert "3 changes not saved" in member.get(page_of(dataset)).text
    draft = member.get(page_of(dataset, "draft")).text
    for words in ("Example 4</a> in another form", "Example 1 is to go", "A new example", "Question 200?"):
        assert words in draft
    version = made(member.post(page_of(dataset, "save-edits")))
    assert content_of(version) == lines(row(1), row(2), row(100), *map(row, range(4, 12)), row(200))
    assert "not saved" not in member.get(page_of(dataset)).text


def test_says_what_is_wrong_with_an_example_and_keeps_it(member, uploaded):
    dataset = uploaded(lines(*map(row, range(12))))

    answer = member.post(page_of(dataset, "example"), {"example": '{"messages": "none<"}'})

    assert answer.status_code == 422
    assert "/messages" in answer.text
    assert "none&lt;" in answer.text
    assert not dataset.edits.exists()


def test_takes_back_one_change_or_all(member, uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))
    for position in range(3):
        editing.delete_example(dataset, by=user, position=position)

    member.post(page_of(dataset, "discard-edits"), {"edit": str(dataset.edits.get(position=1).pk)})
    assert set(dataset.edits.values_list("position", flat=True)) == {0, 2}

    member.post(page_of(dataset, "discard-edits"))
    assert not dataset.edits.exists()


def test_takes_back_no_change_of_another_dataset(member, uploaded, user, organization):
    dataset, other = uploaded(FLAWED), uploaded(FLAWED)
    edit = editing.delete_example(other, by=user, position=0)

    member.post(page_of(dataset, "discard-edits"), {"edit": str(edit.pk)})

    assert other.edits.count() == 1


@pytest.mark.parametrize("position", ["12", "-1", "x", "١", "9" * 30])
def test_there_is_no_such_example(member, uploaded, position):
    dataset = uploaded(lines(*map(row, range(12))))

    assert member.get(f"{page_of(dataset, 'example')}?position={position}").status_code == 404


def test_gives_out_files(member, uploaded):
    dataset = uploaded(FLAWED)

    export = member.get(page_of(dataset, "export"), {"as": "jsonl"})
    report = member.get(page_of(dataset, "report"), {"as": "csv"})

    assert export.getvalue() == FLAWED
    assert b'"role"' in report.getvalue()
    for answer in (export, report):
        assert answer["Content-Disposition"].startswith("attachment;")
        assert answer["X-Content-Type-Options"] == "nosniff"
    assert member.get(page_of(dataset, "export"), {"as": "xml"}).status_code == 404
    assert member.get(page_of(dataset, "report")).status_code == 404


def test_says_which_line_does_not_fit_into_a_format(member, uploaded):
    dataset = uploaded(lines(*map(row, range(10)), {"messages": row(1)["messages"] * 2}))

    answer = member.get(page_of(dataset, "export"), {"as": "csv"}, follow=True)

    assert "Line 11 does not fit into CSV" in answer.text


def test_offers_all_problems_as_files(member, uploaded):
    text = member.get(page_of(uploaded(FLAWED), "problems")).text

    assert "All as CSV" in text
    assert "All as JSON Lines" in text


def test_a_viewer_looks_and_changes_nothing(client, viewer, uploaded, user):
    dataset = uploaded(FLAWED)
    editing.delete_example(dataset, by=user, position=0)
    client.force_login(viewer)

    for page in ("detail", "versions", "diff", "derive", "draft"):
        assert client.get(page_of(dataset, page)).status_code == 200
    assert "Apply up to" not in client.get(page_of(dataset)).text
    for page in ("repair", "redact", "save-edits", "discard-edits"):
        assert client.post(page_of(dataset, page)).status_code == 403
    assert (dataset.edits.count(), dataset.children.count()) == (1, 0)


def test_shows_a_dataset_while_its_version_is_being_made(member, uploaded, user):
    version = versions.repair_dataset(uploaded(FLAWED), by=user)

    assert "The version is still being made" in member.get(page_of(version, "diff")).text
    assert "hx-trigger" in member.get(page_of(version)).text


def test_shows_a_dataset_that_has_no_file(member, organization):
    dataset = DatasetFactory(organization=organization, examples=2)

    assert member.get(page_of(dataset, "versions")).status_code == 200
