import json
from datetime import UTC, datetime

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets import reading
from datasets.models import Dataset
from tests.datasets.conftest import GOOD, NEW, page_of, row, upload
from tests.factories import DatasetFactory, JobFactory, OrganizationFactory

IMPORT = f"{NEW}?method=import"


def test_lists_datasets_with_their_numbers(member, organization):
    DatasetFactory(organization=organization, name="Support", total_tokens=1234)

    answer = member.get(reverse("datasets:list"))

    assert "Support" in answer.text
    assert "1,234" in answer.text


def test_shows_what_to_do_when_there_is_no_dataset(member):
    assert "No datasets yet" in member.get(reverse("datasets:list")).text


def test_asks_for_no_more_queries_when_there_are_more_datasets(
    member, organization, user, django_assert_max_num_queries
):
    DatasetFactory.create_batch(20, organization=organization, created_by=user)

    with django_assert_max_num_queries(6):
        member.get(reverse("datasets:list"))


@pytest.mark.parametrize(("status", "is_live"), [("processing", True), ("valid", False)])
def test_polls_only_while_a_file_is_being_read(member, organization, status, is_live):
    dataset = DatasetFactory(organization=organization, status=status)

    answers = [member.get(reverse("datasets:cards")), member.get(page_of(dataset, "status"))]

    assert [("hx-trigger" in answer.text) for answer in answers] == [is_live, is_live]


def test_an_upload_becomes_a_dataset(member, organization, user):
    answer = upload(member, GOOD)

    dataset = organization.datasets.get()
    assert answer.url == page_of(dataset)
    assert (dataset.name, dataset.description, dataset.created_by) == ("Support", "From March", user)
    with dataset.file.open() as stored:
        assert stored.read() == GOOD


def test_a_script_is_led_on_by_a_header(member, organization):
    answer = upload(member, GOOD, hx_request="true")

    assert answer.headers["HX-Redirect"] == page_of(organization.datasets.get())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("training.jsonl", b"", "The file is empty"),
        ("training.jsonl", b"%PDF-1.7 ", "PDF"),
        ("training.docx", b"some text", "must end in .jsonl, .json, .csv or .parquet"),
    ],
)
def test_says_why_a_file_is_not_accepted_and_keeps_what_was_typed(member, name, content, words):
    answer = upload(member, content, name)

    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Support"' in answer.text
    assert not Dataset.objects.exists()


def test_says_that_a_file_is_missing(member):
    answer = member.post(NEW, {"name": "Support"})

    assert answer.status_code == 422
    assert "Send exactly one file" in answer.text


def test_says_how_many_files_can_be_sent_at_once(member):
    files = [ContentFile(GOOD, name=f"{number}.jsonl") for number in range(11)]

    answer = member.post(NEW, {"name": "Support", "files": files})

    assert answer.status_code == 400
    assert "At most 10 files can be sent at once." in answer.text
    assert not Dataset.objects.exists()


def test_refuses_a_file_over_the_limit(member, settings):
    settings.UPLOAD_MAX_BYTES = 1000

    answer = upload(member, b"x" * 2000)

    assert answer.status_code == 413
    assert "The file is larger than" in answer.text
    assert not Dataset.objects.exists()


@pytest.fixture
def conversations(organization):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    for day in (1, 2, 3):
        organization.conversations.record(
            messages=messages,
            agent_id="support",
            quality_score=day / 10,
            occurred_at=datetime(2026, 3, day, 23, tzinfo=UTC),
        )
    return organization.conversations


def test_imports_conversations_within_the_given_days(member, organization, conversations):
    days = {"start_date": "2026-03-01", "end_date": "2026-03-02"}

    answer = member.post(IMPORT, {"name": "March", "agent_id": "support", **days})

    dataset = organization.datasets.get()
    assert answer.url == page_of(dataset)
    reading.validate_dataset(dataset)
    assert dataset.total_lines == 2
    assert "2026-03-02T23:59:59" in member.get(page_of(dataset)).text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"agent_id": "nobody"}, "No recorded conversation matches"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "The last day is before the first"),
        ({"start_date": "tomorrow"}, "Enter a valid date"),
        ({"min_quality_score": "1.5"}, "less than or equal to 1"),
        ({"max_examples": "0"}, "greater than or equal to 1"),
    ],
)
def test_says_why_an_import_is_refused(member, conversations, sent, words):
    answer = member.post(IMPORT, {"name": "March", **sent})

    assert answer.status_code == 422
    assert words in answer.text
    assert not Dataset.objects.exists()


def test_shows_examples_as_a_conversation(member, uploaded):
    answer = member.get(page_of(uploaded(GOOD)))

    assert '<div class="turn-text" dir="auto">Question 0?</div>' in answer.text
    assert '<div class="turn-text" dir="auto">Answer 11.</div>' in answer.text
    assert "Train a model" in answer.text


def test_shows_twenty_examples_on_a_page(member, organization):
    dataset = DatasetFactory(organization=organization, examples=21)

    pages = [member.get(page_of(dataset), {"page": page}).text for page in (1, 2)]

    assert ["Question 20?" in page for page in pages] == [False, True]


def test_shows_calls_of_tools_and_both_answers_of_a_preference_pair(member, organization):
    dataset = DatasetFactory(organization=organization)
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"in": "Rome"}'}}
    dataset.examples.create(
        position=0,
        line=1,
        token_count=9,
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Rain?"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ],
        attributes={
            "preferred_output": [{"role": "assistant", "content": "Better"}],
            "non_preferred_output": [{"role": "assistant", "content": "Worse", "weight": 0}],
        },
    )

    text = member.get(page_of(dataset)).text

    assert "Rain?\n[image_url]" in text
    assert "weather({&quot;in&quot;: &quot;Rome&quot;})" in text
    assert "Assistant, preferred" in text
    assert "Assistant, not preferred, not trained on" in text


@pytest.mark.parametrize(
    ("characters", "messages", "hidden"),
    [
        (5_000, 50, ("1,000 more characters are not shown", "10 more messages are not shown")),
        (4_001, 41, ("1 more character is not shown", "1 more message is not shown")),
    ],
)
def test_cuts_off_what_is_too_long_to_show(member, organization, characters, messages, hidden):
    dataset = DatasetFactory(organization=organization)
    message = {"role": "user", "content": "x" * characters}
    dataset.examples.create(position=0, line=1, token_count=9, messages=[message] * messages)

    text = member.get(page_of(dataset)).text

    for words in hidden:
        assert words in text


def test_names_the_line_and_the_mending_of_each_problem(member, uploaded):
    dataset = uploaded(GOOD + b'{"messages": [{"role": "robot", "content": "x"}]}\n')

    for page in ("detail", "problems"):
        text = member.get(page_of(dataset, page)).text
        assert "Line 13" in text
        assert "/messages/0/role" in text
        assert "system | user | assistant" in text


def test_offers_no_training_on_a_dataset_with_errors(member, uploaded):
    text = member.get(page_of(uploaded(b"{}\n"))).text

    assert "cannot be trained on" in text
    assert "Train a model" not in text


def test_says_that_there_is_no_problem(member, uploaded):
    assert "No problems" in member.get(page_of(uploaded(GOOD), "problems")).text


def test_renames_a_dataset(member, organization):
    dataset = DatasetFactory(organization=organization)

    answer = member.post(page_of(dataset, "edit"), {"name": "New name", "description": ""})

    assert answer.url == page_of(dataset)
    assert organization.datasets.get().name == "New name"


def test_keeps_the_name_when_the_new_one_is_empty(member, organization):
    dataset = DatasetFactory(organization=organization, name="Old")

    answer = member.post(page_of(dataset, "edit"), {"name": " "})

    assert answer.status_code == 422
    assert organization.datasets.get().name == "Old"


def test_has_the_file_read_again(member, uploaded):
    dataset = uploaded(GOOD)

    member.post(page_of(dataset, "validate"))

    dataset.refresh_from_db()
    assert dataset.is_processing
    assert dataset.next_check_at is not None


def test_deletes_a_dataset(client, owner, organization):
    dataset = DatasetFactory(organization=organization)
    client.force_login(owner)

    answer = client.post(page_of(dataset, "delete"), follow=True)

    assert "was deleted" in answer.text
    assert not organization.datasets.exists()


def test_keeps_a_dataset_that_a_job_needs(client, owner, organization):
    dataset = DatasetFactory(organization=organization)
    JobFactory(organization=organization, dataset=dataset, status="running")
    client.force_login(owner)

    answer = client.post(page_of(dataset, "delete"), follow=True)

    assert "A job that has not ended uses this dataset" in answer.text
    assert organization.datasets.exists()


def test_offers_a_sample_that_is_valid(member, uploaded):
    sample = member.get(reverse("datasets:sample")).content

    assert uploaded(sample).status == "valid"


@pytest.mark.parametrize("page", ["detail", "status", "problems", "edit", "validate", "delete"])
def test_knows_nothing_of_another_organizations_dataset(client, owner, page):
    foreign = DatasetFactory(organization=OrganizationFactory(), name="Secret")
    client.force_login(owner)
    send = client.post if page in ("validate", "delete", "edit") else client.get

    answer = send(page_of(foreign, page), {"name": "Mine"})

    assert answer.status_code == 404
    foreign.refresh_from_db()
    assert (foreign.name, foreign.status, foreign.deleted_at) == ("Secret", "valid", None)


def test_a_viewer_reads_but_changes_nothing(client, viewer, organization):
    dataset = DatasetFactory(organization=organization)
    client.force_login(viewer)

    assert client.get(page_of(dataset)).status_code == 200
    assert client.post(page_of(dataset, "delete")).status_code == 403
    assert upload(client, GOOD).status_code == 403
    assert organization.datasets.count() == 1


def test_asks_a_stranger_to_sign_in(client, db):
    assert client.get(reverse("datasets:list")).url.startswith(reverse("login"))


def test_shows_the_health_of_a_dataset_and_its_parts(member, uploaded):
    prompt = {"role": "system", "content": "You are <kind>."}
    spoken = json.dumps({"messages": [prompt, *row(99)["messages"]]}).encode()

    page = member.get(page_of(uploaded(GOOD + spoken + b"\n" + GOOD))).content.decode()

    assert "Health" in page
    assert "12 of 25: examples repeat an earlier one." in page
    assert "You are &lt;kind&gt;." in page


def test_shows_no_health_of_a_file_without_examples(member, uploaded):
    page = member.get(page_of(uploaded(b"{}\n"))).content.decode()

    assert "Health" not in page


def test_shows_how_far_a_large_file_was_read(member, organization):
    dataset = DatasetFactory(
        organization=organization, status="processing", file_size_bytes=1_000, read_bytes=420
    )

    assert 'value="42"' in member.get(page_of(dataset)).content.decode()


def test_looks_up_nothing_that_is_not_shown_while_a_file_is_being_read(member, organization):
    dataset = DatasetFactory(organization=organization, examples=3)
    dataset.problems.create(code="duplicate", severity="warning", line=2, message="Twice")
    dataset.ask_for_check(now=timezone.now())

    with CaptureQueriesContext(connection) as queries:
        text = member.get(reverse("datasets:status", args=[dataset.pk])).text

    assert "Every line is being checked" in text
    assert not [query for query in queries if "training_examples" in query["sql"]]
    assert not [query for query in queries if "dataset_problems" in query["sql"]]


def test_shows_the_datasets_of_a_tab_as_a_table(member, organization):
    DatasetFactory(organization=organization, name="Good")
    DatasetFactory(organization=organization, name="Flawed", status="invalid")

    answer = member.get(reverse("datasets:list"), {"status": "invalid", "view": "table"})

    assert [dataset.name for dataset in answer.context["datasets"]] == ["Flawed"]
    assert answer.context["page_obj"].paginator.count == 1
    assert [(label, count) for _, label, count in answer.context["tabs"]] == [
        *[("All", 2), ("Validated", 1), ("With errors", 1), ("Being checked", 0)]
    ]
    assert '<th class="numeric">Tokens</th>' in answer.text


def test_shows_all_datasets_for_a_tab_that_is_none(member, organization):
    DatasetFactory(organization=organization)

    assert len(member.get(reverse("datasets:list"), {"status": "lost"}).context["datasets"]) == 1


@pytest.mark.parametrize(
    ("search", "numbers"),
    [("answer 2", [3, 21, 22, 23]), ("no such text", []), ("\0", range(1, 21)), ("%", [])],
)
def test_finds_text_in_the_examples(member, organization, search, numbers):
    dataset = DatasetFactory(organization=organization, examples=23)

    answer = member.get(page_of(dataset), {"search": search})

    assert [example.number for example in answer.context["examples"]] == [*numbers]
