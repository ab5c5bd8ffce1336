"""The whole wheel on pages: a model answers applications, people rate its answers, and they make the next one."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_main_job import sign_in, upload_sample
from tests.gateway.conftest import gateway
from tests.gateway.test_wheel import CALLS, CORRECTED, RETURNS
from tests.waiting import wait_until

__all__ = ["gateway"]
pytestmark = pytest.mark.browser
GOOD = 10


def train(page, *, name):
    """From the page of a dataset to the page of its model."""
    page.get_by_role("link", name="Train a model").click(timeout=60_000)
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Launch").click()
    page.locator("#progress").get_by_role("link", name=name).click(timeout=60_000)


def deploy(page):
    page.get_by_label("For the agent").fill("support-bot")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("is deployed for support-bot.")).to_be_visible()


def keep_every_call(page):
    page.get_by_role("link", name="support-bot").first.click()
    page.get_by_label("Recorded as conversations").select_option("Every call")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("support-bot is saved.")).to_be_visible()


def make_key(page):
    page.goto("/keys/")
    page.get_by_label("Name").fill("Help desk")
    page.get_by_role("button", name="Make a key").click()
    return page.locator("#clear-key").inner_text()


def rate(page, question, rating):
    """Find the conversation by what was asked, and rate it."""
    page.goto(f"/conversations/?search={question}")
    page.get_by_role("link", name=question).click()
    rating()
    expect(page.get_by_text("Your feedback was saved.")).to_be_visible()


def correct(page):
    page.get_by_label("Corrected answer").fill(CORRECTED)
    page.get_by_role("button", name="Save").click()


@pytest.mark.usefixtures("admin")
def test_good_answers_become_the_next_model(gateway, page):
    sign_in(page, "admin@example.com")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    upload_sample(page)
    train(page, name="support")
    deploy(page)
    keep_every_call(page)
    client = gateway.client(make_key(page))

    def ask(question):
        said = [{"role": "user", "content": question}]
        return client.chat.completions.create(model="support-bot", messages=said).choices[0].message.content

    questions = [f"Where is my order {1000 + number}?" for number in range(CALLS - 1)]
    first_answers = [ask(question) for question in [*questions, RETURNS]]
    page.goto("/conversations/")
    wait_until(lambda: page.reload() and page.get_by_text(f"of {CALLS}").count())
    for question in questions[:GOOD]:
        rate(page, question, page.get_by_role("button", name="Good").click)
    rate(page, RETURNS, lambda: correct(page))

    page.goto("/conversations/?agent_id=support-bot&min_quality_score=1")
    page.get_by_role("link", name="Make a dataset").click()
    page.get_by_label("Name").fill("Good answers")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="Good answers")).to_be_visible()
    train(page, name="Good answers")
    deploy(page)

    assert first_answers[-1].startswith("Yes, within 30 days")
    wait_until(lambda: ask(RETURNS) == CORRECTED)
