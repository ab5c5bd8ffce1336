"""A real browser. It is opened for each test: while one is open, this thread may not use the database."""

import shutil
import time
from contextlib import contextmanager

import pytest
from django.test import Client
from playwright.sync_api import sync_playwright

from tests.background import working
from tests.browser.world import build_world


@pytest.fixture
def provider_account(provider_account):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    return provider_account


@pytest.fixture
def worker(transactional_db, sandbox, settings):
    """Does what workers and Beat do, in a thread, while the sandbox's time flies."""
    settings.POLL_INTERVAL_SECONDS = 0.2
    with working(sandbox.clock, seconds=5):
        yield


@pytest.fixture
def page(live_server, user, provider_account, worker):
    """A page of Chromium; a failing script, server or content security policy fails the test."""
    errors = []
    with open_chromium() as browser:
        page = browser.new_page(base_url=live_server.url)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if is_error(line) else None)
        page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 500 else None)
        yield page
    assert errors == []


@contextmanager
def open_chromium():
    """The Chromium of this machine; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: `apt install chromium` to run the browser tests.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def is_error(line):
    # Chromium also reports the 422 with which a form comes back.
    return line.type == "error" and not line.text.startswith("Failed to load resource")


@pytest.fixture
def cookie_of(transactional_db, live_server):
    """What a browser needs to be signed in as somebody. To be asked before the browser is open."""

    def cookie_of(user):
        client = Client()
        client.force_login(user)
        return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}

    return cookie_of


@pytest.fixture
def user_cookie(cookie_of, user):
    return cookie_of(user)


@pytest.fixture
def member_cookie(world, user_cookie):
    """The same, in the organization of `world`."""
    return user_cookie


@pytest.fixture
def owner_cookie(cookie_of, owner):
    return cookie_of(owner)


@pytest.fixture
def signed_in(user_cookie, page):
    """The page, of somebody who has signed in as `user`."""
    page.context.add_cookies([user_cookie])
    return page


@pytest.fixture
def of_owner(owner_cookie, page):
    """The page, of somebody who has signed in as `owner`."""
    page.context.add_cookies([owner_cookie])
    return page


@pytest.fixture
def world(organization, user, provider_account, sandbox, transactional_db):
    # What the provider says and what we say stand on one page.
    sandbox.clock.now = time.time()
    return build_world(organization, user, sandbox)
