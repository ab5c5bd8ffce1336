"""The wizard in a browser: the form is posted, the review is an address."""

import re

import pytest
from playwright.sync_api import expect

from tests.factories import DatasetFactory

pytestmark = pytest.mark.browser
PROGRAM = 'def grade(sample, item):\n    return 1.0  # "exactly"\n'


@pytest.fixture
def dataset(transactional_db, organization):
    return DatasetFactory(organization=organization, name="Talks", examples=20)


@pytest.fixture
def wizard(dataset, signed_in):
    signed_in.goto(f"/jobs/new?dataset={dataset.pk}")
    return signed_in


def test_the_estimate_follows_the_form(wizard):
    before = wizard.locator("#estimate").inner_text()

    wizard.get_by_label("Epochs").fill("7")

    expect(wizard.locator("#estimate dd").filter(has_text=re.compile("^7$"))).to_be_visible()
    assert wizard.locator("#estimate").inner_text() != before


def test_the_review_stands_reloading_and_going_back(wizard):
    wizard.get_by_label("Description").fill(PROGRAM)
    wizard.get_by_role("button", name="Review").click()
    expect(wizard).to_have_url(re.compile("step=review"))

    wizard.reload()
    expect(wizard.get_by_role("button", name="Launch")).to_be_visible()
    wizard.get_by_role("link", name="Change something").click()

    expect(wizard.get_by_label("Description")).to_have_value(PROGRAM)


def test_loses_nothing_that_is_too_long_for_an_address(wizard):
    wizard.get_by_label("Description").fill(PROGRAM * 150)

    wizard.get_by_role("button", name="Review").click()

    expect(wizard.get_by_role("alert")).to_contain_text("Shorten this text")
    expect(wizard.get_by_label("Description")).to_have_value(PROGRAM * 150)
