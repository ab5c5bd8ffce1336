"""The versions of a dataset in their order: which is the newest, what lists show, how many can be made."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets import services, versions
from datasets.models import Dataset
from tests.datasets.conftest import CR_ENDS, content_of, lines, read, row
from tests.factories import JobFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def test_lists_and_totals_are_of_the_newest_versions(uploaded, organization, user):
    parent = uploaded(b"".join(CR_ENDS))

    version = read(versions.repair_dataset(parent, by=user))

    assert list(organization.datasets.newest()) == [version]
    assert list(organization.datasets.versions_of(parent)) == [version, parent]
    totals = organization.datasets.totals()
    assert (totals["total_datasets"], totals["total_examples"]) == (1, version.total_examples)


def test_an_older_version_can_be_changed_too(uploaded, organization, user):
    first = uploaded(b"".join(CR_ENDS))
    read(versions.repair_dataset(first, by=user))

    third = read(versions.filter_dataset(first, by=user, keep="others", problem="invalid_json"))

    assert (third.version, third.parent) == (3, first)
    assert list(organization.datasets.newest()) == [third]


def test_the_version_before_is_the_newest_when_the_newest_is_deleted(uploaded, organization, user):
    first = uploaded(b"".join(CR_ENDS))
    second = read(versions.repair_dataset(first, by=user))

    services.delete_dataset(second)
    assert list(organization.datasets.newest()) == [first]

    third = read(versions.repair_dataset(first, by=user))
    assert third.version == 3
    Dataset.with_deleted.get(pk=second.pk).restore(now=third.created_at)
    assert list(organization.datasets.newest()) == [third]


def test_restoring_what_was_not_deleted_leaves_its_reader_alone(uploaded):
    dataset = services.revalidate_dataset(uploaded(lines(*map(row, range(10)))))
    now = timezone.now()
    assert dataset.claim(now=now, until=now + timedelta(minutes=5))

    services.restore_dataset(Dataset.objects.get(pk=dataset.pk))

    assert dataset.keep_claim(read_bytes=1)


def test_a_deleted_older_version_changes_no_list(uploaded, organization, user):
    first = uploaded(b"".join(CR_ENDS))
    second = read(versions.repair_dataset(first, by=user))

    services.delete_dataset(first)

    assert list(organization.datasets.newest()) == [second]
    assert content_of(second)


def test_a_job_keeps_the_version_that_it_used(uploaded, user, organization):
    first = uploaded(lines(*map(row, range(12))))
    job = JobFactory(organization=organization, dataset=first)

    read(versions.filter_dataset(first, by=user, keep="others", search="Answer 3"))

    job.refresh_from_db()
    assert (job.dataset, job.dataset.total_examples) == (first, 12)


def test_so_many_versions_an_hour_and_no_more(uploaded, user, settings):
    settings.VERSIONS_PER_HOUR = 1
    parent = uploaded(b"".join(CR_ENDS))
    versions.repair_dataset(parent, by=user)

    with pytest.raises(versions.TooManyVersions):
        versions.repair_dataset(parent, by=user)


def test_versions_take_no_place_of_an_upload(uploaded, organization, user):
    parent = uploaded(b"".join(CR_ENDS))
    before = services.upload_allowance(organization).remaining

    versions.repair_dataset(parent, by=user)

    assert services.upload_allowance(organization).remaining == before


def test_stores_the_same_bytes_once(uploaded, user):
    parent = uploaded(lines(*map(row, range(10))))

    again = uploaded(lines(*map(row, range(10))))
    sample = read(versions.sample_dataset(parent, by=user, name="All", count=10, seed=1))

    assert parent.file.name == again.file.name == sample.file.name
    assert parent.sha256 in parent.file.name


@pytest.mark.parametrize("harm", [b"other bytes", None], ids=["changed", "gone"])
def test_shares_no_file_that_has_come_to_harm(uploaded, harm):
    content = lines(*map(row, range(10)))
    first = uploaded(content)
    storage, name = first.file.storage, first.file.name
    storage.delete(name)
    if harm:
        storage.save(name, ContentFile(harm))

    second, third = uploaded(content), uploaded(content)

    assert content_of(second) == content
    assert second.file.name == third.file.name != name
    assert (second.status, second.total_examples) == ("valid", 10)


def test_looks_at_no_more_copies_than_until_a_good_one(uploaded):
    content = lines(*map(row, range(10)))
    first = uploaded(content)
    storage, name = first.file.storage, first.file.name
    storage.delete(name)
    another = uploaded(content).file.name
    storage.save(name, ContentFile(content))
    storage.delete(another)
    Path(storage.path(another)).mkdir()

    assert uploaded(content).file.name == name


def test_a_file_of_another_organization_is_not_shared(uploaded, outsider, other_organization):
    content = lines(*map(row, range(10)))
    ours = uploaded(content)

    theirs = services.upload_dataset(
        other_organization, by=outsider, file=SimpleUploadedFile("a.jsonl", content), name="Theirs"
    )

    assert theirs.file.name != ours.file.name


def test_a_version_is_due_whether_or_not_a_message_about_it_arrives(uploaded, user):
    version = versions.repair_dataset(uploaded(b"".join(CR_ENDS)), by=user)

    assert list(Dataset.with_deleted.due(timezone.now())) == [version]


@pytest.mark.django_db(transaction=True)
def test_versions_made_at_the_same_time_have_a_number_each(uploaded, organization, user):
    parent = uploaded(b"".join(CR_ENDS))

    at_once(*[lambda: versions.repair_dataset(parent, by=user)] * 6)

    made = organization.datasets.versions_of(parent)
    assert [version.version for version in made] == [7, 6, 5, 4, 3, 2, 1]
    assert [version.version for version in made.newest()] == [7]


@pytest.mark.django_db(transaction=True)
def test_one_version_stays_the_newest_while_others_are_made_and_deleted(uploaded, organization, user):
    parent = uploaded(b"".join(CR_ENDS))
    second = versions.repair_dataset(parent, by=user)

    at_once(
        lambda: services.delete_dataset(second),
        *[lambda: versions.repair_dataset(parent, by=user)] * 4,
    )

    made = organization.datasets.versions_of(parent)
    assert [version.version for version in made] == [6, 5, 4, 3, 1]
    assert [version.version for version in made.newest()] == [6]


def test_a_new_dataset_is_the_first_version_of_its_own_series(uploaded):
    dataset = uploaded(lines(*map(row, range(10))))

    assert (dataset.series_id, dataset.version, dataset.parent, dataset.change) == (dataset.pk, 1, None, None)


def test_many_are_merged_with_few_queries(uploaded, user, settings, django_assert_max_num_queries):
    settings.UPLOADS_PER_HOUR = 100
    first, *others = [uploaded(lines(*map(row, range(10)))) for _ in range(12)]

    with django_assert_max_num_queries(8):
        versions.merge_datasets(first, others, by=user, name="All")


def restored(operator_client, dataset):
    asked = {"action": "restore", "_selected_action": [str(dataset.pk)]}
    answer = operator_client.post(reverse("admin:datasets_dataset_changelist"), asked, follow=True)
    assert "1 datasets restored" in answer.text
    return Dataset.objects.get(pk=dataset.pk)


def test_an_operator_restores_a_version_under_the_lock(operator_client, uploaded, user, organization):
    parent = uploaded(b"".join(CR_ENDS))
    version = read(versions.repair_dataset(parent, by=user))
    services.delete_dataset(version)

    with CaptureQueriesContext(connection) as queries:
        restored(operator_client, version)

    written = [
        query["sql"] for query in queries if "organizations" in query["sql"] or "UPDATE" in query["sql"]
    ]
    first_update = next(n for n, sql in enumerate(written) if '"deleted_at" = NULL' in sql)
    assert any("FOR" in sql and "UPDATE" in sql for sql in written[:first_update])
    assert list(organization.datasets.newest()) == [version]


def test_what_was_deleted_before_it_was_read_is_read_once_it_is_restored(operator_client, uploaded):
    dataset = services.revalidate_dataset(uploaded(lines(*map(row, range(10)))))
    services.delete_dataset(dataset)

    restored(operator_client, dataset)

    assert list(Dataset.with_deleted.due(timezone.now())) == [dataset]
    assert read(Dataset.objects.get(pk=dataset.pk)).status == "valid"
