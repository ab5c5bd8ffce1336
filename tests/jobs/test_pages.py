import json
import shlex
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from finetuning.models import ProviderAccount
from jobs.models import Job
from jobs.states import Status
from tests.factories import (
    DatasetFactory,
    FineTunedModelFactory,
    JobFactory,
    ProviderAccountFactory,
    UserFactory,
)
from tests.jobs.conftest import measure

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
POLLS = b'hx-trigger="every 2s"'


@pytest.fixture(autouse=True)
def sandbox_url(settings):
    """An address to show and to estimate for; no page calls it."""
    settings.SANDBOX_URL = "http://sandbox.example"


@pytest.fixture
def dataset(organization):
    return DatasetFactory(organization=organization, name="Support answers", examples=20)


@pytest.fixture
def job(organization, provider_account):
    return JobFactory(
        organization=organization, provider_account=provider_account, name="Tone", status=Status.RUNNING
    )


def wizard(dataset, **choices):
    return {"dataset": str(dataset.pk), **choices}


def test_lists_jobs_with_counts_on_the_tabs(signed_in, job, organization):
    JobFactory(organization=organization, name="Old one", status=Status.FAILED)

    response = signed_in.get(reverse("jobs:list"), {"status": "failed"})

    assert "Old one" in response.text
    assert "Tone" not in response.text
    assert [count for _, _, count in response.context["tabs"]] == [2, 1, 0, 1, 0]


def test_shows_all_jobs_for_a_tab_that_does_not_exist(signed_in, job):
    response = signed_in.get(reverse("jobs:list"), {"status": "\x00", "page": "x"})

    assert "Tone" in response.text


def test_invites_to_the_wizard_when_there_are_no_jobs(signed_in):
    response = signed_in.get(reverse("jobs:list"))

    assert "No jobs yet" in response.text


@pytest.mark.parametrize(("status", "polls"), [(Status.RUNNING, True), (Status.FAILED, False)])
def test_asks_for_the_rows_again_only_while_one_is_active(signed_in, organization, status, polls):
    JobFactory(organization=organization, status=status)

    response = signed_in.get(reverse("jobs:rows"))

    assert (POLLS in response.content) == polls
    assert "<html" not in response.text


def test_lists_many_jobs_with_few_queries(signed_in, organization, django_assert_max_num_queries):
    JobFactory.create_batch(12, organization=organization)

    with django_assert_max_num_queries(7):
        signed_in.get(reverse("jobs:list"))


def test_escapes_names(signed_in, organization):
    JobFactory(organization=organization, name="<script>alert(1)</script>")

    response = signed_in.get(reverse("jobs:list"))

    assert "<script>alert(1)" not in response.text


@pytest.mark.parametrize("route", ["detail", "progress", "metrics", "events", "log", "cancel"])
def test_does_not_show_the_jobs_of_others(client, outsider, job, route):
    client.force_login(outsider)

    response = client.get(reverse(f"jobs:{route}", args=[job.pk]))

    assert response.status_code == 404


def test_does_not_cancel_the_jobs_of_others(client, outsider, job):
    client.force_login(outsider)

    response = client.post(reverse("jobs:cancel", args=[job.pk]))

    assert response.status_code == 404
    assert job.events.count() == 0


def test_first_asks_for_a_trainable_dataset(signed_in, dataset, organization):
    DatasetFactory(organization=organization, name="Broken", status="invalid")

    response = signed_in.get(reverse("jobs:new"))

    assert "Support answers" in response.text
    assert "Broken" not in response.text
    assert "1 more dataset cannot be trained on" in response.text


@pytest.mark.parametrize("chosen", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_says_why_a_dataset_cannot_be_chosen(signed_in, dataset, chosen):
    response = signed_in.get(reverse("jobs:new"), {"dataset": chosen})

    assert response.status_code == 200
    assert 'role="alert"' in response.text


def test_does_not_offer_the_datasets_of_others(client, outsider, dataset):
    client.force_login(outsider)

    response = client.get(reverse("jobs:new"), wizard(dataset))

    assert "Support answers" not in response.text


@pytest.mark.usefixtures("provider_account")
def test_then_asks_for_a_base_model_and_leaves_retired_ones_out(signed_in, dataset, time_machine):
    time_machine.move_to(NOW)

    response = signed_in.get(reverse("jobs:new"), wizard(dataset))

    assert "gpt-4.1-mini-2025-04-14" in response.text
    assert "gpt-3.5-turbo-1106" not in response.text
    assert "soon" in response.text


@pytest.mark.usefixtures("provider_account")
def test_estimates_by_the_form_as_it_stands(signed_in, dataset):
    response = signed_in.post(
        reverse("jobs:estimate"), wizard(dataset, n_epochs=50, validation_percentage=50)
    )

    estimate = response.context["estimate"]
    assert (estimate.epochs, estimate.training_tokens, estimate.validation_tokens) == (50, 100, 100)
    assert "$0.03" in response.text


@pytest.mark.usefixtures("provider_account")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_epochs", "51"),
        ("batch_size", "0"),
        ("learning_rate_multiplier", "NaN"),
        ("validation_percentage", "60"),
        ("base_model", "gpt-3.5-turbo-1106"),
        ("provider", "nobody"),
        ("name", ""),
        ("name", "a\x00b"),
        ("seed", "9" * 5000),
    ],
)
def test_keeps_the_input_and_says_what_is_wrong_with_it(signed_in, dataset, field, value):
    response = signed_in.get(
        reverse("jobs:new"), wizard(dataset, step="review", suffix="kept", **{field: value})
    )

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert 'value="kept"' in response.text


@pytest.mark.usefixtures("provider_account")
def test_refuses_a_split_that_leaves_too_few_examples(signed_in, organization):
    small = DatasetFactory(organization=organization, examples=12)

    response = signed_in.get(reverse("jobs:new"), wizard(small, step="review", validation_percentage=50))

    assert "at least 10 are needed" in response.text


def test_says_that_no_provider_is_set_up(signed_in, dataset):
    response = signed_in.get(reverse("jobs:new"), wizard(dataset))

    assert "No provider is set up" in response.text


def test_says_what_the_provider_account_lacks(signed_in, dataset, organization):
    ProviderAccountFactory(organization=organization, name="own", kind=ProviderAccount.Kind.COMPATIBLE)

    response = signed_in.get(reverse("jobs:new"), wizard(dataset, step="review"))

    assert response.status_code == 422
    assert "has no address" in response.text


@pytest.mark.usefixtures("provider_account")
def test_reviews_with_the_same_call_for_the_api(signed_in, dataset):
    response = signed_in.get(
        reverse("jobs:new"), wizard(dataset, step="review", name="It's mine", n_epochs=4)
    )

    command = shlex.split(response.context["curl"].replace("\\\n", " "))
    body = json.loads(command[command.index("-d") + 1])
    assert body["name"] == "It's mine"
    assert body["hyperparameters"] == {"n_epochs": 4}
    assert Job.objects.count() == 0


@pytest.mark.usefixtures("provider_account")
def test_launches_what_was_reviewed(signed_in, dataset, user):
    sent = wizard(dataset, name="Tone", base_model="gpt-4o-mini-2024-07-18", provider="sandbox", batch_size=2)

    response = signed_in.post(
        reverse("jobs:new"), {**sent, "validation_percentage": 10, "suffix": "x", "seed": 7}
    )

    job = Job.objects.get()
    assert response.headers["Location"] == reverse("jobs:detail", args=[job.pk])
    assert (job.name, job.base_model, job.suffix, job.seed) == ("Tone", "gpt-4o-mini-2024-07-18", "x", 7)
    assert (job.hyperparameters, job.validation_split, job.created_by) == ({"batch_size": 2}, 0.1, user)


@pytest.mark.usefixtures("provider_account")
def test_the_review_posts_what_it_shows(signed_in, dataset):
    review = signed_in.get(reverse("jobs:new"), wizard(dataset, step="review", n_epochs=4, suffix="tone"))
    form = review.context["form"]

    signed_in.post(
        reverse("jobs:new"),
        {"dataset": dataset.pk, **{name: form[name].value() or "" for name in form.fields}},
    )

    job = Job.objects.get()
    assert (job.hyperparameters, job.suffix) == ({"n_epochs": 4}, "tone")


def test_a_viewer_may_look_but_not_launch(client, viewer, dataset, provider_account):
    client.force_login(viewer)

    response = client.post(reverse("jobs:new"), wizard(dataset))

    assert response.status_code == 403
    assert Job.objects.count() == 0


def test_shows_a_job_with_few_queries(signed_in, job, django_assert_max_num_queries):
    for step in range(1, 30):
        measure(job, step, train_loss=1.0)

    with django_assert_max_num_queries(10):
        response = signed_in.get(reverse("jobs:detail", args=[job.pk]))

    assert response.status_code == 200
    assert "sandbox" in response.text


@pytest.mark.parametrize("status", list(Status))
def test_shows_a_job_in_every_state_and_polls_while_it_is_active(signed_in, organization, status):
    job = JobFactory(organization=organization, status=status)

    response = signed_in.get(reverse("jobs:detail", args=[job.pk]))

    assert response.status_code == 200
    assert (POLLS in response.content) == job.is_active


def test_says_why_a_job_failed_and_what_to_do(signed_in, organization):
    job = JobFactory(
        organization=organization,
        status=Status.FAILED,
        error_code="invalid_training_file",
        error_message="Example 100 has no role.",
    )

    response = signed_in.get(reverse("jobs:progress", args=[job.pk]))

    assert "Example 100 has no role." in response.text
    assert "Mend the examples" in response.text


def test_links_the_model_that_came_out(signed_in, organization):
    model = FineTunedModelFactory(organization=organization)

    response = signed_in.get(reverse("jobs:progress", args=[model.job_id]))

    assert reverse("models_registry:detail", args=[model.pk]) in response.text


def test_does_not_link_a_deleted_model(signed_in, organization):
    model = FineTunedModelFactory(organization=organization, deleted_at=NOW)

    response = signed_in.get(reverse("jobs:progress", args=[model.job_id]))

    assert "was deleted" in response.text
    assert reverse("models_registry:detail", args=[model.pk]) not in response.text


def test_a_job_outlives_its_creator(signed_in, organization):
    creator = UserFactory()
    job = JobFactory(organization=organization, created_by=creator)
    creator.delete()

    response = signed_in.get(reverse("jobs:detail", args=[job.pk]))

    assert "a former member" in response.text


def test_asks_before_it_cancels(signed_in, job):
    response = signed_in.get(reverse("jobs:cancel", args=[job.pk]))

    job.refresh_from_db()
    assert "Cancel this job?" in response.text
    assert job.cancel_requested_at is None


def test_cancels_a_job_that_the_provider_has_not_seen(signed_in, job):
    response = signed_in.post(reverse("jobs:cancel", args=[job.pk]), follow=True)

    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert "Nothing was started at the provider" in response.text


def test_says_that_a_job_has_ended_already(signed_in, organization):
    job = JobFactory(organization=organization, status=Status.SUCCEEDED)

    response = signed_in.post(reverse("jobs:cancel", args=[job.pk]), follow=True)

    assert "has already ended" in response.text


def test_fills_the_wizard_with_the_choices_of_an_earlier_job(
    signed_in, dataset, provider_account, organization
):
    job = JobFactory(
        organization=organization,
        dataset=dataset,
        provider_account=provider_account,
        hyperparameters={"n_epochs": 7},
    )
    again = signed_in.get(reverse("jobs:detail", args=[job.pk])).context["again"]

    response = signed_in.get(f"{reverse('jobs:new')}?{again}")

    assert response.context["form"]["n_epochs"].value() == 7
    assert not response.context["form"].errors
