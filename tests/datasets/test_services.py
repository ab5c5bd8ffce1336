import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from datasets import reading, services, uploads
from datasets.models import Dataset
from datasets.training_files import row_of, write_training_files
from tests.datasets.conftest import GOOD, lines, row
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def upload(organization, user):
    """Uploads bytes and reads them, as a worker would."""

    def upload(content, name="training.jsonl", **options):
        file = SimpleUploadedFile(name, content)
        dataset = services.upload_dataset(organization, by=user, file=file, name="Support", **options)
        reading.validate_dataset(dataset)
        dataset.refresh_from_db()
        return dataset

    return upload


def test_a_good_file_becomes_examples(upload):
    dataset = upload(GOOD)

    assert (dataset.status, dataset.total_examples, dataset.total_lines) == ("valid", 12, 12)
    assert dataset.total_tokens == sum(dataset.examples.values_list("token_count", flat=True)) > 0
    assert dataset.next_check_at is None


def test_every_line_is_accounted_for(upload):
    dataset = upload(GOOD + b"\n" + b"{broken\n" + lines({"messages": []}) + GOOD)

    assert dataset.total_lines == 27
    assert dataset.total_examples + dataset.rejected_lines + dataset.blank_lines == dataset.total_lines
    assert dataset.status == "invalid"
    assert {p["line"] for p in dataset.validation_errors} == {14, 15}


def test_stores_each_problem_with_its_line(upload):
    dataset = upload(GOOD + lines({"messages": [{"role": "robot", "content": "x"}]}))

    problems = dataset.problems.filter(line=13, severity="error")

    assert "/messages/0/role" in problems.values_list("pointer", flat=True)
    assert dataset.problem_counts["role"] >= 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lines(*map(row, range(9))), "min_examples"),
        (b"\n\n\n", "no_examples"),
        (b"{}\n", "no_examples"),
    ],
)
def test_too_few_examples_make_it_invalid(upload, content, code):
    dataset = upload(content)

    assert dataset.status == "invalid"
    assert code in dataset.problem_counts


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("a.jsonl", b"", uploads.FileNotAccepted),
        ("a.txt", GOOD, uploads.FileNotAccepted),
        ("a.jsonl", b"%PDF-1.7 ...", uploads.FileNotSupported),
        ("a.jsonl", b"\x1f\x8b\x08\x00rest", uploads.FileNotSupported),
    ],
)
def test_refuses_what_is_no_training_file(upload, name, content, refusal):
    with pytest.raises(refusal):
        upload(content, name=name)

    assert not Dataset.objects.exists()


def test_reads_csv_with_quoted_line_breaks(upload):
    cells = "".join(f'"Question\n{n}, please?","Answer ""{n}"""\n' for n in range(10))

    dataset = upload(f"prompt,completion\n{cells}".encode(), name="pairs.csv")

    assert (dataset.status, dataset.format, dataset.total_examples) == ("valid", "csv", 10)
    first = dataset.examples.get(position=0)
    assert first.messages[0]["content"] == "Question\n0, please?"
    assert dataset.examples.get(position=1).line == 4


def test_reads_a_json_array(upload):
    dataset = upload(json.dumps([row(n) for n in range(10)], indent=2).encode(), name="all.json")

    assert (dataset.status, dataset.format, dataset.total_examples) == ("valid", "json", 10)


def test_reading_twice_stores_nothing_twice(upload):
    dataset = upload(GOOD)

    services.revalidate_dataset(dataset)
    reading.validate_dataset(dataset)
    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.examples.count()) == ("valid", 12)


def test_a_reader_that_lost_its_lease_stores_nothing(upload):
    dataset = upload(GOOD)
    services.revalidate_dataset(dataset)
    now = timezone.now()
    late = Dataset.objects.get(pk=dataset.pk)
    late.claim(now=now, until=now + timedelta(seconds=1))
    Dataset.objects.filter(pk=dataset.pk).update(next_check_at=now + timedelta(minutes=5))

    assert not late.mark_checked(status=Dataset.Status.INVALID, now=now)

    assert Dataset.objects.get(pk=dataset.pk).status == "processing"


def test_says_so_when_reading_fails_again_and_again(upload):
    dataset = upload(GOOD)
    services.revalidate_dataset(dataset)
    Dataset.objects.filter(pk=dataset.pk).update(attempts=reading.MAX_ATTEMPTS)

    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, list(dataset.problem_counts)) == ("invalid", ["not_read"])
    assert dataset.total_examples == dataset.total_lines == dataset.examples.count() == 12
    assert dataset.total_tokens == sum(dataset.examples.values_list("token_count", flat=True))


def test_a_row_is_the_same_after_being_stored(upload):
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    rows = [row(n, tools=tools, parallel_tool_calls=False) for n in range(10)]

    dataset = upload(lines(*rows))

    assert [row_of(example) for example in dataset.examples.order_by("position")] == rows


def test_a_preference_pair_is_the_same_after_being_stored(upload):
    def pair(n):
        return {
            "input": {"messages": [{"role": "user", "content": f"Q{n}"}], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": "good"}],
            "non_preferred_output": [{"role": "assistant", "content": "bad"}],
        }

    dataset = upload(lines(*map(pair, range(10))))

    assert dataset.method == "dpo"
    assert [row_of(example) for example in dataset.examples.order_by("position")] == list(
        map(pair, range(10))
    )


def test_training_and_validation_share_no_example(upload, tmp_path):
    dataset = upload(GOOD)

    files = write_training_files(dataset, split=0.25, seed=1, folder=tmp_path)

    training = set(files.training.read_bytes().splitlines())
    validation = set(files.validation.read_bytes().splitlines())
    assert (len(training), len(validation), training & validation) == (9, 3, set())


def record(organization, number, **columns):
    conversation, _ = organization.conversations.record(messages=row(number)["messages"], **columns)
    return conversation


def imported(organization, user, **filters):
    dataset = services.import_conversations(organization, by=user, name="Import", **filters)
    reading.validate_dataset(dataset)
    dataset.refresh_from_db()
    return dataset


def test_imports_conversations_with_their_ids(organization, user):
    made = [record(organization, number) for number in range(12)]

    dataset = imported(organization, user)

    assert dataset.status == "valid"
    assert set(dataset.examples.values_list("conversation_id", flat=True)) == {one.pk for one in made}


def test_keeps_the_conversation_ids_when_read_again(organization, user):
    for number in range(12):
        record(organization, number)
    dataset = imported(organization, user)

    services.revalidate_dataset(dataset)
    reading.validate_dataset(dataset)

    assert not dataset.examples.filter(conversation=None).exists()


def test_trains_on_the_corrected_answer(organization, user):
    """It takes the place of the last answer, and what was said to that one goes."""
    for number in range(12):
        record(organization, number)
    question = {"role": "user", "content": "Q"}
    wrong, thanks = {"role": "assistant", "content": "Wrong."}, {"role": "user", "content": "No!"}
    corrected, _ = organization.conversations.record(
        messages=[question, wrong, question, {**wrong, "tool_calls": []}, thanks]
    )
    corrected.rate(corrected_answer="Right.")

    dataset = imported(organization, user)

    right = {"role": "assistant", "content": "Right."}
    assert dataset.examples.get(conversation=corrected).messages == [question, wrong, question, right]
    corrected.refresh_from_db()
    assert corrected.messages[3]["content"] == "Wrong."


def test_corrects_a_conversation_that_nobody_answered(organization):
    question = {"role": "user", "content": "Q"}
    conversation, _ = organization.conversations.record(messages=[question])

    conversation.rate(corrected_answer="Right.")

    assert conversation.training_messages == [question, {"role": "assistant", "content": "Right."}]


def test_imports_a_corrected_conversation_whatever_its_score(organization, user):
    for number in range(12):
        record(organization, number, quality_score=0.9)
    record(organization, 12, quality_score=0.1)
    corrected = record(organization, 13, quality_score=0.1)
    corrected.rate(corrected_answer="Right.")

    dataset = imported(organization, user, min_quality_score=0.5)

    assert dataset.examples.count() == 13
    assert dataset.examples.filter(conversation=corrected).exists()


def killed_after_its_file(dataset):
    """What a worker leaves that was killed between the file of an import and its examples."""
    dataset.examples.all().delete()
    Dataset.objects.update(status="processing", validated_at=None, next_check_at=timezone.now())
    dataset.refresh_from_db()
    return dataset


def test_an_import_that_was_cut_short_keeps_the_conversation_ids(organization, user):
    made = [record(organization, number) for number in range(12)]
    dataset = killed_after_its_file(imported(organization, user))
    name = dataset.file.name

    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    assert (dataset.status, dataset.file.name) == ("valid", name)
    assert set(dataset.examples.values_list("conversation_id", flat=True)) == {one.pk for one in made}


def test_an_import_that_was_cut_short_takes_what_is_left(organization, user):
    made = [record(organization, number) for number in range(12)]
    dataset = killed_after_its_file(imported(organization, user))
    made.pop(5).delete()

    reading.validate_dataset(dataset)

    dataset.refresh_from_db()
    ids = dataset.examples.order_by("position").values_list("conversation_id", flat=True)
    assert list(ids) == [one.pk for one in made]
    with dataset.file.open() as stored:
        assert len(stored.read().splitlines()) == 11


def test_imports_whole_conversations_as_they_were(organization, user, tmp_path):
    tool = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "S\u2028 \U0001f600"},
        {"role": "user", "content": [{"type": "text", "text": "Q"}], "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [tool]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        {"role": "assistant", "content": "A", "weight": 1},
    ]
    for number in range(12):
        organization.conversations.record(
            messages=[*messages[:-1], {**messages[-1], "content": f"A{number}"}]
        )

    dataset = imported(organization, user)

    assert dataset.status == "valid"
    assert dataset.examples.get(position=3).messages == [*messages[:-1], {**messages[-1], "content": "A3"}]


def test_a_conversation_that_cannot_be_trained_on_is_said_not_dropped(organization, user):
    for number in range(11):
        record(organization, number)
    organization.conversations.record(messages=[{"role": "user", "content": "Nobody answered"}])

    dataset = imported(organization, user)

    assert (dataset.status, dataset.total_lines, dataset.rejected_lines) == ("invalid", 12, 1)
    assert dataset.problems.get(code="role").line == 12


def test_imports_of_one_workspace_stay_in_it(organization, user):
    workspace = organization.workspaces.create(name="Research")
    inside = [record(organization, number, workspace=workspace) for number in range(3)]
    record(organization, 7)

    dataset = imported(organization, user, workspace=workspace)

    assert set(dataset.examples.values_list("conversation_id", flat=True)) == {one.pk for one in inside}


def test_dates_include_both_ends_to_the_microsecond(organization, user):
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    for number, occurred_at in enumerate([noon - moment, noon, noon + moment]):
        record(organization, number, occurred_at=occurred_at)

    dataset = imported(organization, user, start_date=noon, end_date=noon)

    assert [example.messages[0]["content"] for example in dataset.examples.all()] == ["Question 1?"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"agent_id": "bot"}, {0, 1, 2, 3, 4}),
        ({"min_quality_score": 0.7}, {7, 8, 9}),
        ({"start_date": datetime(2026, 1, 9, tzinfo=UTC)}, {8, 9}),
        ({"end_date": datetime(2026, 1, 2, tzinfo=UTC)}, {0, 1}),
        ({"max_examples": 3}, {7, 8, 9}),
        ({"agent_id": "bot", "min_quality_score": 0.3}, {3, 4}),
    ],
)
def test_honours_every_filter(organization, user, filters, expected):
    for number in range(10):
        record(
            organization,
            number,
            agent_id="bot" if number < 5 else "other",
            quality_score=number / 10,
            occurred_at=datetime(2026, 1, 1 + number, tzinfo=UTC),
        )

    dataset = imported(organization, user, **filters)

    questions = {example.messages[0]["content"] for example in dataset.examples.all()}
    assert questions == {f"Question {number}?" for number in expected}


def test_imports_nothing_of_another_organization(organization, other_organization, user):
    record(other_organization, 1)

    with pytest.raises(services.NothingToImport):
        services.import_conversations(organization, by=user, name="Import")


def test_records_a_conversation_with_the_same_external_id_once(organization):
    first = record(organization, 1, external_id="abc")

    again = record(organization, 2, external_id="abc")

    assert again == first
    assert organization.conversations.count() == 1


def test_a_deleted_dataset_is_reached_by_nobody(upload, organization):
    dataset = upload(GOOD)

    services.delete_dataset(dataset)

    assert not organization.datasets.exists()
    assert Dataset.with_deleted.get().examples.count() == 12


def test_refuses_to_delete_a_dataset_that_a_job_uses(upload, organization):
    dataset = upload(GOOD)
    JobFactory(organization=organization, dataset=dataset)

    with pytest.raises(services.DatasetInUse):
        services.delete_dataset(dataset)

    assert organization.datasets.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.jsonl", "passwd.jsonl"),
        (r"..\..\win.jsonl", "win.jsonl"),
        ("a\x00b\u202ec.jsonl", "abc.jsonl"),
        ("x" * 300 + ".jsonl", "x" * 144 + ".jsonl"),
    ],
)
def test_cleans_file_names(given, kept):
    assert uploads.clean_file_name(given) == kept
