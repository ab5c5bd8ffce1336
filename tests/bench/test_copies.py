import pytest

from tests.bench.copies import copy_row, count_again, give_models
from tests.factories import FineTunedModelFactory, JobFactory


@pytest.mark.django_db
def test_makes_more_of_a_row_and_counts_them(organization):
    job = JobFactory(organization=organization, status="succeeded", name="Original")
    model = FineTunedModelFactory(organization=organization, job=job)

    copy_row(job, 3, name="'Copy ' || nth", provider_job_id="new.id")
    give_models(model)
    count_again(organization)

    assert sorted(organization.jobs.values_list("name", flat=True)) == [
        "Copy 1",
        "Copy 2",
        "Copy 3",
        "Original",
    ]
    assert organization.jobs.totals()["succeeded_jobs"] == 4
    assert organization.fine_tuned_models.totals()["total_models"] == 4
    assert organization.fine_tuned_models.values("job").distinct().count() == 4


@pytest.mark.django_db
def test_makes_more_of_a_row_whose_id_is_a_number(organization):
    dataset = JobFactory(organization=organization, dataset__examples=1).dataset

    copy_row(dataset.examples.get(), 2, position="nth")

    assert list(dataset.examples.order_by("position").values_list("position", flat=True)) == [0, 1, 2]
