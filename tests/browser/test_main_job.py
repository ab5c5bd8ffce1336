import pytest
from django.conf import settings
from playwright.sync_api import expect

from tests.factories import PASSWORD
from tests.waiting import wait_until

SAMPLE = settings.BASE_DIR / "datasets" / "samples" / "support.jsonl"

pytestmark = pytest.mark.browser


def sign_in(page, email="user@example.com"):
    page.goto("/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def upload_sample(page):
    page.goto("/datasets/new")
    page.get_by_label("File").set_input_files(SAMPLE)
    page.get_by_role("button", name="Upload").click()


def test_a_file_becomes_a_model_that_answers(page):
    sign_in(page)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    upload_sample(page)
    expect(page.get_by_role("heading", name="support", exact=True)).to_be_visible()
    page.get_by_role("link", name="Train a model").click(timeout=60_000)
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Launch").click()
    page.locator("#progress").get_by_role("link", name="support").click(timeout=60_000)
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("support is deployed.")).to_be_visible()
    page.get_by_role("link", name="Try it in the playground").click()
    page.get_by_label("Message").last.fill("Where is my order 4411?")
    page.get_by_role("button", name="Ask").click()

    expect(page.get_by_role("region", name="support, version 1")).to_contain_text("You can follow order 4411")


def test_a_refused_file_loses_nothing_that_was_typed(signed_in):
    page = signed_in
    page.goto("/datasets/new")
    page.get_by_label("Name").fill("My name")
    page.get_by_label("File").set_input_files({"name": "a.jsonl", "mimeType": "", "buffer": b"%PDF-1.7 "})

    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("alert")).to_contain_text("PDF")
    expect(page.get_by_label("Name")).to_have_value("My name")


def test_a_file_becomes_a_model_without_scripts(user_cookie, page, live_server):
    context = page.context.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([user_cookie])
    bare = context.new_page()
    upload_sample(bare)
    reload_until(bare, bare.get_by_role("link", name="Train a model"))
    bare.get_by_role("link", name="Train a model").click()
    bare.get_by_role("button", name="Review").click()
    bare.get_by_role("button", name="Launch").click()
    made = bare.locator("#progress").get_by_role("link", name="support")
    reload_until(bare, made)
    made.click()
    bare.get_by_role("button", name="Deploy").click()
    bare.get_by_role("link", name="Try it in the playground").click()
    bare.get_by_label("Message").last.fill("Where is my order 4411?")
    bare.get_by_role("button", name="Ask").click()

    expect(bare.get_by_role("region", name="support, version 1")).to_contain_text("You can follow order 4411")


def reload_until(page, found):
    wait_until(lambda: found.count() or (page.reload() and False))


def test_a_dataset_is_deleted_only_when_its_name_is_typed(of_owner):
    page = of_owner
    upload_sample(page)
    page.get_by_role("button", name="Delete").click()
    confirm = page.get_by_role("dialog")
    expect(confirm.get_by_role("button", name="Delete")).to_be_disabled()

    confirm.get_by_role("textbox").fill("support")
    confirm.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("support was deleted.")).to_be_visible()
