"""What people do with datasets, jobs and models, besides the main job."""

import json
import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from finetuning.sandbox.faults import Fault
from tests.browser.conftest import open_chromium
from tests.browser.test_main_job import upload_sample
from tests.datasets.conftest import lines, page_of, row, uploaded
from tests.factories import DatasetFactory, FineTunedModelFactory

__all__ = ["uploaded"]
pytestmark = pytest.mark.browser
MISTAKEN = {"messages": [{"role": "User ", "content": "Hi"}, row(1)["messages"][1]]}
LISTS = [reverse(f"{app}:list") for app in ("datasets", "jobs", "models_registry")]


@pytest.fixture
def both(transactional_db, organization, other_organization):
    """A model, with its job and its dataset, in either organization; their pages by the organization's name."""
    return {one.name: rows_of(one) for one in (organization, other_organization)}


def rows_of(organization):
    dataset = DatasetFactory(organization=organization, name=f"Data of {organization.name}", examples=1)
    job = {"job__dataset": dataset, "job__name": f"Job of {organization.name}"}
    name = f"Model of {organization.name}"
    model = FineTunedModelFactory(organization=organization, name=name, **job)
    routes = {"datasets:detail": dataset, "jobs:detail": model.job, "models_registry:detail": model}
    return {reverse(route, args=[one.pk]): one.name for route, one in routes.items()}


def test_two_organizations_work_side_by_side(both, cookies, live_server):
    with open_chromium() as browser:
        for name, cookie in cookies.items():
            context = browser.new_context(base_url=live_server.url)
            context.add_cookies([cookie])
            sees_its_own_alone(context.new_page(), own=both[name], foreign=both[({*both} - {name}).pop()])


@pytest.fixture
def cookies(cookie_of, organization, user, other_organization, outsider):
    return {organization.name: cookie_of(user), other_organization.name: cookie_of(outsider)}


def sees_its_own_alone(page, *, own, foreign):
    for address, name in zip(LISTS, own.values(), strict=True):
        page.goto(address)
        expect(page.get_by_role("link", name=name).first).to_be_visible()
        assert not any(other in page.content() for other in foreign.values())
    for address, name in own.items():
        assert page.goto(address).status == 200
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    for address, name in foreign.items():
        assert page.goto(address).status == 404
        assert name not in page.content()


def test_a_failed_job_is_explained_and_tried_again(signed_in, sandbox):
    page = signed_in
    sandbox.fail(Fault(kind="account_refused", route="POST /fine_tuning/jobs"))
    upload_sample(page)
    page.get_by_role("link", name="Train a model").click(timeout=60_000)
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Launch").click()

    failure = page.locator("#progress .notice-error")
    expect(failure).to_contain_text("Fine-tuning is being wound down.", timeout=60_000)
    expect(failure).to_contain_text("The provider starts no new training for your account.")
    expect(failure).to_contain_text("Next step: Waiting does not help. Choose another provider account")
    failed = page.url
    page.get_by_role("link", name="New job like this").click()
    expect(page.get_by_label("Name")).to_have_value(re.compile("support"))
    sandbox.behave()
    page.goto(failed)
    page.get_by_role("button", name="Retry").click()

    expect(page.get_by_text("was accepted once more.")).to_be_visible()
    expect(page.get_by_role("link", name="the earlier job")).to_have_attribute(
        "href", failed.removeprefix(live(page))
    )
    expect(page.locator("#progress").get_by_role("link", name="support")).to_be_visible(timeout=60_000)


def live(page):
    return page.url.partition("/jobs/")[0]


def test_a_file_with_mistakes_is_refused_and_mended(signed_in):
    page = signed_in
    content = lines(*map(row, range(12)), MISTAKEN)
    page.goto("/datasets/new")
    page.get_by_label("File").set_input_files({"name": "talks.jsonl", "mimeType": "", "buffer": content})
    page.get_by_role("button", name="Upload").click()

    status = page.locator("#status")
    expect(status).to_contain_text("This dataset cannot be trained on.", timeout=60_000)
    expect(status.get_by_role("link", name="Train a model")).to_have_count(0)
    expect(status).to_contain_text("Line 13")
    status.get_by_role("button", name="Apply up to 1 repair").click()

    expect(page.get_by_role("link", name="Version 2 of 2")).to_be_visible()
    expect(status.get_by_role("link", name="Train a model")).to_be_visible(timeout=60_000)
    expect(status).to_contain_text("Repairs: 1 line changed")


@pytest.fixture
def _recorded(transactional_db, organization):
    for number in range(12):
        messages = row(number)["messages"]
        organization.conversations.record(messages=messages, agent_id=f"bot-{number % 2}", quality_score=1)


@pytest.mark.usefixtures("_recorded")
def test_conversations_are_counted_while_they_are_chosen(signed_in):
    page = signed_in
    page.goto("/datasets/new?method=import")
    matching = page.get_by_role("status").filter(has_text="conversations match")
    expect(matching).to_have_text("12 of 12 conversations match.")
    page.get_by_label("Name").fill("Good answers")
    page.get_by_label("Agent").fill("bot-1")

    expect(matching).to_have_text("6 of 12 conversations match.")
    expect(page.get_by_label("Agent")).to_be_focused()
    page.get_by_role("button", name="Import").click()

    expect(page.locator("#status")).to_contain_text("Examples6", timeout=60_000)


@pytest.fixture
def dataset(transactional_db, uploaded):
    return uploaded(lines(*map(row, range(12))))


def test_examples_are_changed_deleted_added_and_compared(dataset, signed_in):
    page = signed_in
    page.goto(page_of(dataset))
    page.get_by_role("link", name="Edit example 1", exact=True).click()
    write(page, row(100))
    page.get_by_role("link", name="Edit example 2", exact=True).click()
    page.get_by_role("button", name="Delete this example").click()
    page.get_by_role("link", name="Add an example").click()
    page.get_by_label("The example").fill("{}")
    page.get_by_role("button", name="Put into the draft").click()
    expect(page.get_by_label("The example")).to_have_attribute("aria-invalid", "true")
    write(page, row(200))
    expect(page.get_by_role("heading", name="3 changes not saved")).to_be_visible()
    page.get_by_role("button", name="Save as the next version").click()

    counts = "Edits: 1 line changed, 1 line removed, 1 line added, 10 lines kept as they were."
    expect(page.locator("#status")).to_contain_text(counts, timeout=60_000)
    page.get_by_role("link", name="Version 2 of 2").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Line 1 was changed")).to_be_visible()
    expect(page.get_by_role("heading", name="Line 2 was removed")).to_be_visible()
    expect(page.get_by_role("heading", name="Line 12 was added")).to_be_visible()
    page.get_by_label("Compare", exact=True).select_option("Version 2: 12 examples")
    page.get_by_role("button", name="Compare").press("Enter")
    expect(page.get_by_text("Both versions have the same examples.")).to_be_visible()


def write(page, example):
    page.get_by_label("The example").fill(json.dumps(example, indent=2))
    page.get_by_role("button", name="Put into the draft").click()


@pytest.fixture
def model(transactional_db, organization):
    return FineTunedModelFactory(organization=organization, name="Tone", deployed=True)


def test_a_model_is_put_away_when_the_consequences_are_known(model, user_cookie, live_server):
    with open_chromium() as browser:
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies([user_cookie])
        page = context.new_page()
        page.goto(reverse("models_registry:detail", args=[model.pk]))
        expect(page.get_by_text("A deployed model cannot be archived or deleted.")).to_be_visible()

        press(page, "Undeploy", consequence="Applications can no longer call it", answer="Keep it")
        expect(page.get_by_role("button", name="Undeploy")).to_be_focused()
        press(page, "Undeploy", consequence="Applications can no longer call it", answer="Undeploy")
        expect(page.get_by_text("Tone is no longer deployed.")).to_be_visible()
        press(page, "Archive", consequence="It cannot be tried or deployed any more.", answer="Archive")

        expect(page.get_by_text("Tone is archived.")).to_be_visible()
        expect(page.get_by_role("button", name="Deploy")).to_have_count(0)


def press(page, button, *, consequence, answer):
    page.get_by_role("button", name=button).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(consequence)
    dialog.get_by_role("button", name=answer).press("Enter")
