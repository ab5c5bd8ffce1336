"""The palette, and comparing jobs, by the keyboard alone."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import open_chromium
from tests.factories import JobFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def jobs(organization, transactional_db):
    return [JobFactory(organization=organization, status="succeeded", name=f"Tone {name}") for name in "AB"]


@pytest.fixture
def signed_in(jobs, user_cookie, live_server):
    with open_chromium() as browser:
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies([user_cookie])
        yield context.new_page()


@pytest.mark.parametrize("key", ["Control+k", "Meta+k"])
def test_the_palette_opens_finds_and_leads_on(signed_in, jobs, key):
    signed_in.goto(reverse("finetuning:dashboard"))
    signed_in.keyboard.press(key)
    signed_in.keyboard.type("tone")
    field = signed_in.get_by_role("combobox", name="Find anything")
    options = signed_in.get_by_role("option")
    expect(options).to_have_count(2)
    expect(options.first).to_have_attribute("aria-selected", "true")

    signed_in.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", f"option-{jobs[0].pk}")
    signed_in.keyboard.press("ArrowDown")
    signed_in.keyboard.press("ArrowUp")
    signed_in.keyboard.press("Enter")

    expect(signed_in).to_have_title("Tone A \N{MIDDLE DOT} Attune")


def test_the_palette_gives_the_focus_back(signed_in):
    signed_in.goto(reverse("finetuning:dashboard"))
    button = signed_in.get_by_role("link", name="Search")
    button.focus()

    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("combobox")).to_be_focused()
    signed_in.keyboard.press("Escape")

    expect(button).to_be_focused()


def hold(held):
    """A handler that keeps requests. Playwright marks its handlers, which `held.append` itself does not allow."""

    def keep(route):
        held.append(route)

    return keep


def test_enter_waits_for_the_answer_to_what_was_typed(signed_in):
    """The answer comes only after Enter; until then the palette shows what an older text has found."""
    held, asked = [], re.compile(r"q=tone%20A$")
    signed_in.route(asked, hold(held))
    signed_in.goto(reverse("finetuning:dashboard"))
    signed_in.keyboard.press("Control+k")
    expect(signed_in.get_by_role("option", name="Upload a dataset")).to_be_visible()

    with signed_in.expect_request(asked):
        signed_in.keyboard.type("tone A")
        signed_in.keyboard.press("Enter")
    # The handler is called some time after the request was made, while the page is asked something.
    wait_until(lambda: signed_in.title() and held)
    held[0].continue_()

    expect(signed_in).to_have_title("Tone A \N{MIDDLE DOT} Attune")


def test_enter_is_forgotten_when_more_is_typed(signed_in):
    held, asked = [], re.compile(r"q=tone$")
    signed_in.route(asked, hold(held))
    signed_in.goto(reverse("finetuning:dashboard"))
    signed_in.keyboard.press("Control+k")
    with signed_in.expect_request(asked):
        signed_in.keyboard.type("tone")
        signed_in.keyboard.press("Enter")

    signed_in.keyboard.type(" B")

    expect(signed_in.get_by_role("option", name="Tone B")).to_be_visible()
    expect(signed_in.get_by_role("combobox")).to_be_focused()


def test_the_palette_says_whether_it_shows_anything(signed_in):
    signed_in.goto(reverse("finetuning:dashboard"))
    signed_in.keyboard.press("Control+k")
    field = signed_in.get_by_role("combobox")
    expect(field).to_have_attribute("aria-expanded", "true")

    signed_in.keyboard.type("nothing is called so")

    expect(field).to_have_attribute("aria-expanded", "false")
    expect(signed_in.get_by_role("listbox")).to_be_hidden()


def test_a_single_character_opens_nothing(signed_in):
    signed_in.goto(reverse("finetuning:dashboard"))
    signed_in.keyboard.press("/")

    expect(signed_in.get_by_role("dialog")).to_have_count(0)


def test_jobs_are_ticked_and_compared(signed_in, jobs):
    signed_in.goto(reverse("jobs:list"))
    for job in jobs:
        signed_in.get_by_role("checkbox", name=f"Compare {job.name}").press("Space")
    signed_in.get_by_role("button", name="Compare").press("Enter")

    expect(signed_in.get_by_role("columnheader", name="2. Tone A")).to_be_visible()
