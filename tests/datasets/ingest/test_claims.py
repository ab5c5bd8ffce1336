"""Whoever reads a file holds a claim on it; without one nothing is changed."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from datasets import reading, services, versions
from datasets.closing import MAX_ATTEMPTS, LeaseLost
from datasets.models import Dataset
from tests.datasets.conftest import GOOD, lines, page_of, read, row
from tests.datasets.test_parquet import table

pytestmark = pytest.mark.django_db


def late_reader(dataset):
    """A reader of a dataset that is due, whom another one has overtaken."""
    now = timezone.now()
    late = Dataset.objects.get(pk=dataset.pk)
    late.claim(now=now, until=now + timedelta(seconds=1))
    Dataset.objects.filter(pk=dataset.pk).update(next_check_at=now)
    read(Dataset.objects.get(pk=dataset.pk))
    return late


def test_a_late_reader_deletes_no_problems(uploaded):
    late = late_reader(services.revalidate_dataset(uploaded(GOOD + b"{broken\n")))

    with pytest.raises(LeaseLost):
        reading._read(late)

    assert list(late.problems.values_list("code", flat=True)) == ["invalid_json"]


def test_a_late_reader_deletes_nothing_of_a_version(uploaded, user):
    version = versions.filter_dataset(uploaded(GOOD), by=user, keep="others", search="Question 4?")
    late = late_reader(version)
    change = version.changes.get()
    stored = Dataset.objects.values("file", "sha256", "change", "status").get(pk=version.pk)

    with pytest.raises(LeaseLost):
        reading._read(late)

    assert version.changes.get() == change
    assert Dataset.objects.values("file", "sha256", "change", "status").get(pk=version.pk) == stored


def check(api, dataset):
    return api.post(reverse("dataset-validate", args=[dataset.pk]))


def test_leaves_parquet_to_a_worker(api, uploaded):
    dataset = uploaded(table([{"prompt": f"Q{n}", "completion": "A"} for n in range(12)]), name="a.parquet")

    answer = check(api, dataset)

    assert (answer.status_code, answer.json()["valid"]) == (202, None)
    assert read(Dataset.objects.get(pk=dataset.pk)).status == "valid"


def test_leaves_what_is_still_being_made_to_its_worker(api, uploaded, organization, user):
    organization.conversations.record(messages=row(1)["messages"])
    version = versions.filter_dataset(uploaded(GOOD), by=user, keep="others", search="Question 4?")
    imported = services.import_conversations(organization, by=user, name="Import")

    for dataset in (version, imported):
        dataset.claim(now=timezone.now(), until=timezone.now() + timedelta(minutes=5))
        claimed = (dataset.next_check_at, dataset.attempts)

        answer = check(api, dataset)

        dataset.refresh_from_db()
        assert (answer.status_code, answer.json()["valid"]) == (202, None)
        assert (dataset.next_check_at, dataset.attempts, dataset.file.name) == (*claimed, "")


def test_asks_nobody_to_read_again_what_is_still_being_made(member, uploaded, user):
    version = versions.filter_dataset(uploaded(GOOD), by=user, keep="others", search="Question 4?")
    version.claim(now=timezone.now(), until=timezone.now() + timedelta(minutes=5))

    answer = member.post(page_of(version, "validate"), follow=True)

    assert "is being checked" in answer.text
    assert Dataset.objects.get(pk=version.pk).next_check_at == version.next_check_at


def imported(organization, user):
    for number in range(12):
        organization.conversations.record(messages=row(number)["messages"])
    return services.import_conversations(organization, by=user, name="Import")


def given_up(dataset):
    Dataset.objects.filter(pk=dataset.pk).update(attempts=MAX_ATTEMPTS)
    read(dataset)
    assert list(dataset.problem_counts) == ["not_read"]
    return dataset


def test_knows_the_conversations_after_it_gave_up_and_could_read_again(organization, user):
    dataset = read(imported(organization, user))
    origins = list(dataset.examples.order_by("position").values_list("conversation", flat=True))
    given_up(services.revalidate_dataset(dataset))

    read(services.revalidate_dataset(dataset))

    assert (dataset.status, dataset.total_examples) == ("valid", 12)
    assert list(dataset.examples.order_by("position").values_list("conversation", flat=True)) == origins


def test_makes_anew_what_it_gave_up_before_it_was_whole(organization, user):
    dataset = imported(organization, user)
    with dataset.file.storage.open(f"{dataset.pk}", "wb") as cut_short:
        cut_short.write(lines(row(0)))
    Dataset.objects.update(file=cut_short.name.rpartition("/")[2])
    given_up(dataset)

    read(services.revalidate_dataset(dataset))

    assert (dataset.status, dataset.total_examples) == ("valid", 12)
    assert not dataset.examples.filter(conversation=None).exists()
