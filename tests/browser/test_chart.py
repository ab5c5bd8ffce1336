"""What the chart of a job draws, told from the pixels of its canvas."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import open_chromium
from tests.factories import JobFactory
from tests.jobs.test_compare import train

pytestmark = pytest.mark.browser

# How many pixels have the colour of each line, in the order of the legend; its first row is the step.
DRAWN = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const markers = [...document.querySelectorAll(".u-legend .u-marker")].slice(1);
    return markers.map((marker) => {
        const wanted = getComputedStyle(marker).borderTopColor.match(/\\d+/g).slice(0, 3).map(Number);
        let found = 0;
        for (let at = 0; at < data.length; at += 4) found += wanted.every((part, index) => data[at + index] === part);
        return found;
    });
}"""
# A circle of five pixels has more of them, an axis or a letter in another colour none.
SEEN = 9


@pytest.fixture
def job(organization, transactional_db):
    return JobFactory(organization=organization, status="succeeded")


@pytest.mark.parametrize(("steps", "valid_every"), [(1, 1), (8, 8), (9, 3)])
def test_draws_what_was_measured_once_or_seldom(steps, valid_every, job, user_cookie, live_server):
    train(job, steps, valid_every=valid_every)
    with open_chromium() as browser:
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies([user_cookie])
        trained, validated = drawn_pixels(context.new_page(), job)

    assert trained > SEEN
    assert validated > SEEN


def drawn_pixels(page, job):
    page.goto(reverse("jobs:detail", args=[job.pk]))
    canvas = page.locator(".chart canvas")
    expect(canvas).to_be_visible()
    return canvas.evaluate(DRAWN)
