"""The API by hand: somebody who is signed in to the pages opens its addresses in the same browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_main_job import SAMPLE

pytestmark = pytest.mark.browser

FT = "/api/fine-tuning"


def form(page, method, address):
    """The form for that request, opened."""
    found = page.locator(f"details:has([data-api-method={method}][action='{FT}{address}'])")
    if found.get_attribute("open") is None:
        found.locator("summary").click()
    return found


def send(form, text=None):
    if text is not None:
        form.get_by_label("JSON").fill(text)
    form.locator("button").click()


def test_a_dataset_is_uploaded_priced_and_renamed_by_the_forms(signed_in):
    page = signed_in
    answer = page.locator("#answer")
    page.goto(f"{FT}/datasets")
    upload = form(page, "POST", "/datasets")
    upload.get_by_label("name").fill("By hand")
    upload.get_by_label("file", exact=True).set_input_files(SAMPLE)
    upload.get_by_label("format").select_option("jsonl")
    send(upload)
    expect(answer.get_by_role("heading", name="201 Created")).to_be_visible()

    answer.get_by_role("link", name="By hand").click()
    expect(answer).to_contain_text("By hand")
    reload_while_it_is_read(page)
    dataset_id = page.url.rpartition("/")[2]
    page.goto(f"{FT}/jobs")
    order = f'{{"datasetId": "{dataset_id}", "baseModel": "gpt-4.1-mini"}}'
    send(form(page, "POST", "/jobs/estimate-cost"), order)
    expect(answer).to_contain_text('"estimatedCostUsd": 0.04')

    page.goto(f"{FT}/datasets/{dataset_id}")
    send(form(page, "PUT", f"/datasets/{dataset_id}"), '{"name": "Renamed"}')
    expect(answer.get_by_role("heading", name="200 OK")).to_be_visible()
    expect(answer).to_contain_text('"name": "Renamed"')


def reload_while_it_is_read(page):
    while '"status": "processing"' in page.locator("#answer").inner_text():
        page.reload()


def test_says_what_is_wrong_and_keeps_what_was_typed(signed_in):
    page = signed_in
    page.goto(f"{FT}/jobs/estimate-cost")
    order = form(page, "POST", "/jobs/estimate-cost")

    send(order, '{"baseModel": "gpt-4.1-mini", "epochs": 99}')

    answer = page.locator("#answer")
    expect(answer.get_by_role("heading", name="400 Bad Request")).to_be_visible()
    expect(answer.get_by_role("alert")).to_contain_text("/datasetId This field is required.")
    expect(answer.get_by_role("alert")).to_contain_text("/epochs")
    expect(answer).to_be_focused()
    expect(order.get_by_label("JSON")).to_have_value(re.compile("99"))

    send(order, '{"baseModel": }')
    expect(answer.get_by_role("heading", name="400 Bad Request")).to_be_visible()
    expect(answer).to_contain_text("invalid_json")


def test_a_file_that_is_refused_stays_chosen(signed_in):
    page = signed_in
    page.goto(f"{FT}/datasets")
    upload = form(page, "POST", "/datasets")
    upload.get_by_label("name").fill("By hand")
    upload.get_by_label("file", exact=True).set_input_files(
        {"name": "a.jsonl", "mimeType": "", "buffer": b"%PDF-1.7 "}
    )

    send(upload)

    expect(page.locator("#answer").get_by_role("alert")).to_contain_text("PDF")
    expect(upload.get_by_label("name")).to_have_value("By hand")
    assert upload.get_by_label("file", exact=True).evaluate("input => input.files.length") == 1


def test_a_dataset_is_deleted_by_the_form(of_owner):
    page = of_owner
    page.goto(f"{FT}/datasets")
    upload = form(page, "POST", "/datasets")
    upload.get_by_label("name").fill("By hand")
    upload.get_by_label("file", exact=True).set_input_files(SAMPLE)
    send(upload)
    page.locator("#answer").get_by_role("link", name="By hand").click()
    expect(page.locator("#answer")).to_contain_text(f"GET {FT}/datasets/")

    send(form(page, "DELETE", f"/datasets/{page.url.rpartition('/')[2]}"))
    page.get_by_role("dialog").get_by_role("button", name="Send it").click()

    expect(page.locator("#answer").get_by_role("heading", name="204 No Content")).to_be_visible()


def test_the_upload_works_without_scripts(live_server, signed_in):
    page = signed_in
    plain = page.context.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.add_cookies(page.context.cookies())
    bare = plain.new_page()
    bare.goto(f"{FT}/datasets")
    bare.get_by_label("name").fill("Without scripts")
    bare.get_by_label("file", exact=True).set_input_files(SAMPLE)

    bare.get_by_role("button", name="POST", exact=True).first.click()

    expect(bare.get_by_role("heading", name="201 Created")).to_be_visible()
