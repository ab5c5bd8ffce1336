"""The playground with scripts: each model streams by itself, can be stopped, and what it said can be saved."""

import os
import re
from urllib.parse import urlsplit

import pytest
from django.db import connection
from playwright.sync_api import expect

from tests.browser.conftest import is_error, open_chromium
from tests.browser.test_accessibility import problems_in
from tests.gateway.conftest import account, make_model, member, organization, upstream
from tests.gateway.upstream import delta, event
from tests.operations.web import serving

__all__ = ["account", "make_model", "member", "organization", "upstream"]
pytestmark = pytest.mark.browser
BASE = "gpt-4.1-mini-2025-04-14"
USAGE = event({"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})


@pytest.fixture
def model(make_model):
    return make_model(name="real-model")


@pytest.fixture(scope="module")
def site(django_db_setup):
    """The address of a web process as operators start it: only ASGI streams. It takes seconds to start."""
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    with serving({"DATABASE_URL": address.geturl()}) as url:
        yield url


@pytest.fixture
def open_page(site, client, member, model):
    """Opens the playground for the model beside its base, and fails the test for a failing script."""
    errors = []
    client.force_login(member)
    session = client.cookies["sessionid"].value
    with open_chromium() as browser:

        def open_page(**options):
            context = browser.new_context(base_url=site, **options)
            context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if is_error(line) else None)
            page.goto(f"/playground?first=model:{model.pk}")
            return page

        yield open_page
    assert errors == []


def column(page, model):
    return page.get_by_role("region", name=model)


def test_streams_side_by_side_and_saves(open_page, upstream, model):
    name = f"{model.name}, version 1"
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo <b>you</b>"), USAGE, event(b"[DONE]"))
    upstream.stream(BASE, delta("Plain."), USAGE, event(b"[DONE]"))
    page = open_page()
    page.get_by_label("Message").last.fill("Hi")
    page.get_by_role("button", name="Ask").press("Enter")

    expect(column(page, BASE)).to_contain_text("7 + 3 tokens; price unknown")
    expect(column(page, name)).to_contain_text("Hel")
    expect(column(page, name).get_by_role("status").first).to_have_text("Answering…")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    upstream.go_on.set()

    expect(column(page, name)).to_contain_text("Hello <b>you</b>")
    expect(column(page, name).get_by_role("status").first).to_contain_text(
        re.compile(r"ms; 7 \+ 3 tokens; \$0")
    )
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    column(page, name).get_by_role("button", name="Save as conversation").click()
    expect(column(page, name)).to_contain_text("Saved. It can become part of a dataset.")


def test_stop_hangs_up_on_the_provider(open_page, upstream, model):
    upstream.stream("real-model", "forever")
    upstream.stream(BASE, delta("Plain."), "wait")
    page = open_page()
    page.get_by_label("Message").last.fill("Hi")
    page.get_by_role("button", name="Ask").click()
    expect(column(page, f"{model.name}, version 1")).to_contain_text("on and on")

    page.get_by_role("button", name="Stop").press("Enter")

    assert upstream.hung_up.wait(60)
    expect(column(page, f"{model.name}, version 1")).to_contain_text("Stopped.")
    expect(column(page, BASE)).to_contain_text("Stopped.")
    expect(page.get_by_role("button", name="Ask")).to_be_focused()


def test_says_what_is_wrong_and_asks_again(open_page, upstream, model):
    upstream.answer("real-model", {"error": {"message": "Slow down."}}, status=429)
    page = open_page()
    page.get_by_label("Beside", exact=True).select_option("Nobody")
    page.get_by_role("button", name="Ask").click()
    expect(column(page, f"{model.name}, version 1")).to_contain_text("Write a message.")

    page.get_by_role("button", name="Add a message").click()
    expect(page.get_by_label("Message").last).to_be_focused()
    page.get_by_label("Message").last.fill("Hi")
    page.get_by_role("button", name="Ask").click()

    expect(column(page, f"{model.name}, version 1")).to_contain_text("It said: Slow down.")
    expect(column(page, BASE)).to_be_hidden()


def test_answers_can_be_read_by_everybody(open_page, upstream):
    upstream.stream("real-model", delta("a-long-word-without-an-end" * 30), USAGE, event(b"[DONE]"))
    upstream.answer(BASE, {"error": {"message": "No."}}, status=500)
    page = open_page(bypass_csp=True)
    page.get_by_label("Message").last.fill("Hi")
    page.get_by_role("button", name="Ask").click()
    expect(column(page, BASE)).to_contain_text("It said: No.")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()

    assert list(problems_in(page)) == []
