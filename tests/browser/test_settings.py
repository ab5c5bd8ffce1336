"""What people do with their organization: who is in it, what it may call, and whom it tells."""

import re

import pytest
from playwright.sync_api import expect

from finetuning.sandbox.faults import Fault
from tests.browser.conftest import open_chromium
from tests.browser.test_main_job import sign_in
from tests.factories import PASSWORD
from tests.finetuning.test_second_factor import code_from
from tests.finetuning.webhook_receiver import listening

pytestmark = pytest.mark.browser
SECRET = "sk-canary-0123456789abcdef"
NEW = "new@example.com"


def test_somebody_is_invited_joins_and_gets_another_role(owner_cookie, live_server):
    with open_chromium() as browser:
        owner, guest = (browser.new_context(base_url=live_server.url).new_page() for _ in range(2))
        owner.context.add_cookies([owner_cookie])
        guest.goto(invited(owner, role="Viewer"))
        guest.get_by_label("Your name").fill("Newton")
        guest.get_by_label("Password").fill(PASSWORD)
        guest.get_by_role("button", name="Make my account and join").click()
        expect(guest.get_by_role("heading", name="Dashboard")).to_be_visible()
        guest.goto("/datasets/")
        expect(guest.get_by_role("heading", name="No datasets yet")).to_be_visible()
        expect(guest.get_by_role("link", name="Upload")).to_have_count(0)

        owner.goto("/settings/members")
        owner.get_by_label(f"Role of {NEW}").select_option("Member")
        owner.get_by_role("button", name=f"Save the role of {NEW}").click()
        expect(owner.get_by_label(f"Role of {NEW}")).to_have_value("member")
        guest.reload()
        expect(guest.get_by_role("link", name="Upload").first).to_be_visible()

        signs_out_and_in(guest)


def invited(page, *, role):
    """The link that is shown once."""
    page.goto("/settings/members")
    page.get_by_label("E-mail").fill(NEW)
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name="Invite").click()
    return page.locator("#invitation-link").inner_text()


def signs_out_and_in(page):
    page.get_by_role("button", name="Account:").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill(NEW)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, NEW)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_a_second_factor_is_set_up_and_asked_for(user, user_cookie, live_server):
    with open_chromium() as browser:
        page = browser.new_context(base_url=live_server.url).new_page()
        page.context.add_cookies([user_cookie])
        page.goto("/settings/profile")
        page.get_by_role("link", name="Set it up").click()
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Set it up").click()
        secret = page.locator("#second-factor-key").inner_text()
        page.get_by_label("Code of the app").fill(code_from(secret))
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("Your second factor is set up.")).to_be_visible()
        page.get_by_role("button", name="Account:").click()
        page.get_by_role("button", name="Sign out").click()

        sign_in(page)
        expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
        page.get_by_label("Code of the app").fill("000000")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("This code is wrong").first).to_be_visible()
        page.get_by_label("Code of the app").fill(code_from(secret, later=30))
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_a_key_is_shown_once(owner_cookie, live_server):
    with open_chromium() as browser:
        page = browser.new_context(base_url=live_server.url).new_page()
        page.context.add_cookies([owner_cookie])
        page.goto("/keys/")
        page.get_by_label("Name").fill("Help desk")
        page.get_by_role("button", name="Make a key").click()
        key = page.locator("#clear-key").inner_text()
        assert re.fullmatch(r"at-\S{20,}", key)

        page.goto("/keys/")
        expect(page.get_by_role("cell", name="Help desk", exact=True)).to_be_visible()
        assert key not in page.content()

        page.get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Help desk is revoked.")).to_be_visible()


def test_an_endpoint_is_told_and_its_secret_shown_once(of_owner, settings):
    page = of_owner
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with listening() as receiver:
        page.goto("/settings/webhooks/new")
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_label("job.failed").check()
        page.get_by_role("button", name="Add the endpoint").click()
        expect(page.get_by_role("heading", name="The endpoint was added")).to_be_visible()
        secret = re.search(r"whsec_[\w+/=-]+", page.content())[0]
        page.get_by_role("link", name="I have copied it").click()
        expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
        endpoint = page.url
        page.get_by_role("button", name="Send a test event").click()

        expect(page.locator("#delivery")).to_contain_text("Answer204", timeout=60_000)
        assert receiver.got[0].headers["webhook-signature"].startswith("v1,")
        page.goto(endpoint)
        expect(page.get_by_role("row").filter(has_text="204")).to_be_visible()
        assert secret not in page.content()


def test_a_provider_account_is_tested_and_its_key_never_shown(of_owner, sandbox):
    page = of_owner
    sandbox.fail(Fault(kind="error", route="GET /models", status=401, times=1))
    page.goto("/settings/provider-accounts/new")
    page.get_by_label("Name").fill("second")
    page.get_by_label("Kind").select_option("sandbox")
    page.get_by_label("API key").fill(SECRET)
    page.get_by_role("button", name="Save and test").click()

    expect(page.locator(".notice-error").first).to_be_visible()
    expect(page.get_by_text("key ends in cdef")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_value("")
    page.get_by_role("button", name="Test now").click()

    expect(page.get_by_text("healthy", exact=False).first).to_be_visible()
    for address in (page.url, "/settings/provider-accounts"):
        page.goto(address)
        assert SECRET not in page.content()


def test_a_theme_is_chosen_and_stays(user_cookie, live_server):
    with open_chromium() as browser:
        page = browser.new_context(base_url=live_server.url, color_scheme="light").new_page()
        page.context.add_cookies([user_cookie])
        page.goto("/")
        before = colour(page)
        page.get_by_role("button", name="Dark").click()
        page.goto("/jobs/")

        expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        assert colour(page) != before
        page.get_by_role("button", name="As the system").click()
        assert colour(page) == before


def colour(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")
