"""The preview of a file that is to be uploaded: what is chosen there counts for the upload."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import open_chromium
from tests.browser.test_accessibility import open_page, problems_in

pytestmark = pytest.mark.browser
CSV = b"one,two\n" + b"".join(b"Question %d?,Answer %d.\n" % (n, n) for n in range(12))


def choose(page, name, content):
    page.goto("/datasets/new")
    page.get_by_label("File").set_input_files({"name": name, "mimeType": "", "buffer": content})


def test_columns_are_chosen_in_the_preview(signed_in):
    page = signed_in
    choose(page, "talks.csv", CSV)
    expect(page.get_by_text("The table does not have the columns that are needed.")).to_be_visible()

    page.get_by_label("one").select_option("User")
    expect(page.get_by_text("The columns do not make an example")).to_be_visible()
    page.get_by_label("two").press("ArrowDown")
    page.get_by_label("two").select_option("Assistant")
    expect(page.get_by_text("Question 3?")).to_be_visible()
    expect(page.get_by_label("two")).to_be_focused()
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_text("Column one")).to_be_visible(timeout=60_000)


def test_a_large_file_is_previewed_from_its_beginning(signed_in):
    page = signed_in
    row = b'{"instruction": "Question %07d?", "output": "' + b"a" * 200_000 + b'"}\n'

    choose(page, "talks.jsonl", b"".join(row % number for number in range(20)))

    expect(page.get_by_text("JSONL, Alpaca. These are the first rows")).to_be_visible()
    expect(page.get_by_text("Question 0000003?")).to_be_visible()
    expect(page.get_by_text("invalid_json")).to_have_count(0)


def test_the_preview_can_be_used_by_everybody(user_cookie, live_server):
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        page.context.add_cookies([user_cookie])
        choose(page, "talks.csv", b"question,answer\n" + CSV + b"x\n")
        expect(page.get_by_role("heading", name="Preview")).to_be_visible()

        assert list(problems_in(page)) == []
