"""What the wizard asks besides a base model: a model to go on from, a grader, metadata, and an earlier job."""

import json
import shlex
from datetime import date

import pytest
from django.urls import reverse

from finetuning.capabilities import CAPABILITIES
from finetuning.models import Workspace
from jobs.forms import MAX_ADDRESS
from jobs.models import Job
from jobs.states import Status
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory, ProviderAccountFactory

pytestmark = pytest.mark.django_db

GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer}}",
    "operation": "eq",
}
CHECKPOINT = "ft:gpt-4.1-mini-2025-04-14:acme::1:ckpt-step-40"


@pytest.fixture
def signed_in(client, user, settings):
    """A browser in which `user` is signed in."""
    settings.SANDBOX_URL = "http://sandbox.example"
    client.force_login(user)
    return client


@pytest.fixture
def dataset(organization):
    return DatasetFactory(organization=organization, examples=20)


@pytest.fixture
def model(organization, provider_account):
    """A model of the organization, whose job kept a checkpoint."""
    job = JobFactory(
        organization=organization,
        provider_account=provider_account,
        status=Status.SUCCEEDED,
        checkpoints=[{"id": "1", "model_id": CHECKPOINT, "step": 40, "metrics": {}}],
    )
    return FineTunedModelFactory(organization=organization, job=job, name="Support")


@pytest.fixture
def azure(organization):
    """An account where a base model for reinforcement is not retired."""
    account = ProviderAccountFactory(
        organization=organization, name="azure", kind="azure", base_url="https://x.openai.azure.com/openai/v1"
    )
    account.set_api_key("key-of-azure")
    account.save()
    return account


def show(browser, dataset, **choices):
    return browser.get(reverse("jobs:new"), {"dataset": dataset.pk, **choices})


def launch(browser, dataset, **choices):
    return browser.post(reverse("jobs:new"), {"dataset": dataset.pk, **choices})


def check(browser, dataset, **choices):
    """Where the browser comes that sends the form, its ends of lines as browsers write them."""
    sent = {name: str(value).replace("\n", "\r\n") for name, value in choices.items()}
    return browser.post(reverse("jobs:check"), {"dataset": dataset.pk, **sent}, follow=True)


def reinforced(**choices):
    asked = {"method": "reinforcement", "base_model": "o4-mini-2025-04-16", "provider": "azure"}
    return asked | {"grader": json.dumps(GRADER), "validation_percentage": "10"} | choices


def sent_by(response):
    """What a browser sends for the form on the page, its hidden part included."""
    form = response.context["form"]
    values = {name: form[name].value() for name in form.fields}
    hidden = response.context["like"]
    return {name: value for name, value in values.items() if value is not None} | (
        {"like": hidden.pk} if hidden else {}
    )


def asked_of_the_api(review):
    """The body of the call that the review page shows."""
    command = shlex.split(review.context["curl"].replace("\\\n", " "))
    return json.loads(command[command.index("-d") + 1])


def test_goes_on_from_an_own_model(signed_in, dataset, model):
    page = show(signed_in, dataset)
    launch(signed_in, dataset, start_model=model.provider_model_id)

    job = Job.objects.get(parent_model=model)
    assert "Support" in page.text
    assert (job.start_model, job.base_model) == (model.provider_model_id, model.base_model)


def test_offers_no_models_of_others_and_takes_none(signed_in, dataset, provider_account):
    theirs = FineTunedModelFactory(name="Theirs")

    page = show(signed_in, dataset)
    refused = launch(signed_in, dataset, start_model=theirs.provider_model_id)

    assert "Theirs" not in page.text
    assert refused.status_code == 422
    assert "start_model" in refused.context["form"].errors
    assert not Job.objects.exclude(pk=theirs.job_id).exists()


@pytest.mark.parametrize("step", ["new", "estimate"])
def test_takes_no_text_that_no_model_can_be_called(signed_in, dataset, provider_account, step):
    choices = {"dataset": dataset.pk, "start_model": "a\0b"}

    refused = signed_in.post(reverse(f"jobs:{step}"), choices)

    assert refused.status_code < 500
    assert "start_model" in refused.context["form"].errors


def test_goes_on_from_the_checkpoint_that_a_job_page_links(signed_in, dataset, organization, model):
    ProviderAccountFactory(organization=organization, name="another")
    type(model.provider_account).objects.filter(name="another").update(is_default=False)
    of_job = signed_in.get(reverse("jobs:detail", args=[model.job_id]))

    first = signed_in.get(reverse("jobs:new"), {"start_model": CHECKPOINT})
    page = show(signed_in, dataset, start_model=CHECKPOINT)
    launch(signed_in, dataset, **sent_by(page))

    assert f"{reverse('jobs:new')}?start_model=ft%3A" in of_job.text
    assert "start_model=ft" in first.text
    assert page.context["form"]["start_model"].value() == CHECKPOINT
    assert Job.objects.get(parent_model=model).start_model == CHECKPOINT


def test_is_set_to_the_account_where_the_model_was_made(signed_in, dataset, organization, model):
    own = ProviderAccountFactory(organization=organization, name="own")
    type(model).objects.filter(pk=model.pk).update(provider_account=own)

    page = show(signed_in, dataset, start_model=model.provider_model_id)

    assert page.context["form"]["provider"].value() == "own"
    assert not page.context["form"].errors


def test_the_account_of_the_chosen_model_goes_before_the_one_on_the_page(
    signed_in, dataset, organization, model, azure
):
    page = show(signed_in, dataset, provider="azure")
    sent = sent_by(page) | {"start_model": model.provider_model_id}

    review = show(signed_in, dataset, step="review", **sent)
    launch(signed_in, dataset, **sent_by(review))

    job = Job.objects.get(parent_model=model)
    assert (job.provider_account, job.base_model) == (model.provider_account, model.base_model)


def test_shows_the_seed_zero(signed_in, dataset, provider_account):
    review = show(signed_in, dataset, step="review", seed="0")

    assert asked_of_the_api(review)["seed"] == 0


def test_reinforces_with_a_grader(signed_in, dataset, azure):
    review = show(signed_in, dataset, step="review", **reinforced())
    launch(signed_in, dataset, **sent_by(review))

    job = Job.objects.get()
    assert (job.method, job.grader, job.base_model) == ("reinforcement", GRADER, "o4-mini-2025-04-16")
    asked = asked_of_the_api(review)
    assert (asked["method"], asked["grader"]) == ("reinforcement", GRADER)


@pytest.mark.parametrize(
    ("grader", "words"),
    [
        ("", "Reinforcement needs a grader"),
        ("{", "not valid JSON"),
        ("[1]", "one JSON object"),
        ('{"type": "magic"}', "Its type is one of"),
        ('{"type": "python", "source": "\\u0000"}', "NUL"),
        ('{"type": "python", "source": "' + "x" * MAX_ADDRESS + '"}', "Shorten this text"),
    ],
)
def test_says_what_is_wrong_with_a_grader(signed_in, dataset, azure, grader, words):
    refused = show(signed_in, dataset, step="review", **reinforced(grader=grader))

    assert refused.status_code == 422
    assert words in str(refused.context["form"].errors["grader"])
    assert '<details class="card more" open' in refused.text


def test_the_address_of_the_review_holds_what_was_typed(signed_in, dataset, azure):
    typed = reinforced(description="First line\nÄnderung & more", metadata="a=b\nc=d", seed="0")

    review = check(signed_in, dataset, **typed)

    ((address, _),) = review.redirect_chain
    again = signed_in.get(address)
    shown = {name: again.context["form"][name].value() for name in typed}
    assert (again.status_code, again.context["curl"], shown) == (200, review.context["curl"], typed)
    assert asked_of_the_api(review)["description"] == typed["description"]


@pytest.mark.parametrize("field", ["grader", "description", "metadata"])
def test_keeps_what_is_too_long_for_an_address_and_says_so(signed_in, dataset, azure, field):
    text = "ü" * (MAX_ADDRESS // 6)

    refused = check(signed_in, dataset, **reinforced(**{field: text}))

    assert (refused.status_code, refused.redirect_chain) == (422, [])
    assert "Shorten this text, or create the job by the API" in str(refused.context["form"].errors[field])
    assert text in refused.text


def test_sends_the_form_where_its_length_does_not_matter(signed_in, dataset, provider_account):
    page = show(signed_in, dataset).text

    assert f'method="post" action="{reverse("jobs:check")}"' in page
    assert f'hx-post="{reverse("jobs:estimate")}"' in page


def test_counts_no_line_ends_of_the_browser(signed_in, dataset, provider_account):
    launch(signed_in, dataset, description="a\r\nb")

    assert Job.objects.get().description == "a\nb"


def test_takes_no_grader_for_other_methods(signed_in, dataset, provider_account):
    refused = launch(signed_in, dataset, grader=json.dumps(GRADER))

    assert "takes no grader" in str(refused.context["form"].errors["grader"])


def test_a_base_model_that_cannot_be_reinforced_is_refused_before_the_review(signed_in, dataset, azure):
    asked = reinforced(base_model="gpt-4.1-mini-2025-04-14")

    refused = show(signed_in, dataset, step="review", **asked)

    assert "cannot be trained by" in str(refused.context["form"].errors["base_model"])


def test_asks_for_no_method_where_there_is_one(signed_in, organization, provider_account):
    pairs = DatasetFactory(organization=organization, examples=20, method="dpo")

    assert '<select name="method"' not in show(signed_in, pairs).text


def test_takes_metadata_by_lines(signed_in, dataset, provider_account):
    launch(signed_in, dataset, metadata="team=support\r\n\r\n formula = a=b ")

    assert Job.objects.get().metadata == {"team": "support", "formula": "a=b"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("team=a\nsupport", "Line 2 has no"),
        ("team=a\nteam=b", "Line 2 gives team again"),
        ("team=", "1 to 512"),
        ("=a", "1 to 64"),
        ("ft_job=a", "do not begin with ft_"),
        ("team=" + "x" * 513, "1 to 512"),
        ("\n".join(f"{n}=x" for n in range(13)), "at most 12"),
    ],
)
def test_says_what_is_wrong_with_metadata(signed_in, dataset, provider_account, lines, words):
    refused = launch(signed_in, dataset, metadata=lines)

    assert refused.status_code == 422
    assert words in str(refused.context["form"].errors["metadata"])
    assert not Job.objects.exists()


def test_refuses_a_vendor_that_has_closed(signed_in, dataset, provider_account, monkeypatch):
    closed = type(CAPABILITIES["sandbox"])(methods=("supervised",), takes_jobs_until=date(2026, 1, 1))
    monkeypatch.setitem(CAPABILITIES, "sandbox", closed)

    refused = show(signed_in, dataset, step="review")

    assert "takes no new jobs since 1 January 2026" in str(refused.context["form"].errors["provider"])


KEPT = (
    *("name", "description", "dataset", "provider_account", "base_model", "start_model", "parent_model"),
    *("method", "hyperparameters", "validation_split", "suffix", "seed", "metadata", "grader", "workspace"),
)


def again_of(browser, job):
    """The new job that is launched through the wizard with what an earlier job's page links."""
    link = browser.get(reverse("jobs:detail", args=[job.pk])).context["again"]
    page = browser.get(f"{reverse('jobs:new')}?{link}")
    assert not page.context["form"].errors
    review = check(browser, job.dataset, **sent_by(page))
    launch(browser, job.dataset, **sent_by(review))
    return Job.objects.order_by("-created_at").first()


def test_a_new_job_like_another_keeps_all_of_it(signed_in, organization, dataset, model):
    job = JobFactory(
        organization=organization,
        workspace=Workspace.objects.create(organization=organization, name="Desk"),
        dataset=dataset,
        provider_account=model.provider_account,
        start_model=CHECKPOINT,
        parent_model=model,
        description="Second try",
        hyperparameters={"n_epochs": 3, "learning_rate_multiplier": 0.00001, "beta": 0.2},
        validation_split=0.125,
        metadata={"team": "support", "a=b": "two\nlines", " c": "d"},
        suffix="desk",
    )

    again = again_of(signed_in, job)

    assert again != job
    assert {name: getattr(again, name) for name in KEPT} == {name: getattr(job, name) for name in KEPT}


@pytest.mark.parametrize("grader", [GRADER, {"type": "python", "source": "#\n" * MAX_ADDRESS}])
def test_a_new_job_like_a_reinforced_one_keeps_its_grader(signed_in, organization, dataset, azure, grader):
    job = JobFactory(
        organization=organization,
        dataset=dataset,
        provider_account=azure,
        base_model="o4-mini-2025-04-16",
        method="reinforcement",
        grader=grader,
        validation_split=0.1,
        hyperparameters={"reasoning_effort": "high"},
    )

    again = again_of(signed_in, job)

    assert (again.method, again.grader) == ("reinforcement", grader)
    assert again.hyperparameters == {"reasoning_effort": "high"}


def test_takes_over_what_fits_a_dataset_for_another_method(signed_in, organization, dataset, azure):
    pairs = DatasetFactory(organization=organization, examples=20, method="dpo")
    job = JobFactory(
        organization=organization,
        dataset=dataset,
        provider_account=azure,
        base_model="o4-mini-2025-04-16",
        method="reinforcement",
        grader=GRADER,
        validation_split=0.1,
        suffix="desk",
    )

    form = show(signed_in, pairs, like=job.pk).context["form"]

    assert not form.errors
    assert (form["method"].value(), form["suffix"].value()) == ("dpo", "desk")


def test_the_review_shows_what_the_form_cannot(signed_in, organization, dataset, provider_account):
    job = JobFactory(
        organization=organization,
        dataset=dataset,
        provider_account=provider_account,
        hyperparameters={"beta": 0.2},
        metadata={"a=b": "kept"},
    )

    review = show(signed_in, dataset, like=job.pk, step="review")

    assert "beta: 0.2" in review.text
    assert "a=b: kept" in review.text


def test_takes_nothing_over_from_the_jobs_of_others(signed_in, dataset, provider_account):
    theirs = JobFactory(name="Theirs", metadata={"team": "rivals"})

    page = show(signed_in, dataset, like=theirs.pk)

    assert "rivals" not in page.text
    assert "Theirs" not in page.text
    assert 'role="alert"' in page.text
