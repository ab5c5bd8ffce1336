"""axe-core finds nothing on any page, in the light and the dark theme, wide and narrow, empty and overfull."""

from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from finetuning.second_factor.services import begin_factor
from tests.browser.conftest import open_chromium
from tests.browser.pages import PAGES, PUBLIC, STATUSES, addresses
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory

pytestmark = pytest.mark.browser

# Every rule in either theme and at either width, and those about colours in both at both.
ALL_RULES = {"resultTypes": ["violations"]}
COLOUR_RULES = ALL_RULES | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
TWO_VIEWS = [("light", 1280, ALL_RULES), ("dark", 390, ALL_RULES)]
VIEWS = [*TWO_VIEWS, ("dark", 1280, COLOUR_RULES), ("light", 390, COLOUR_RULES)]
# A window of 1280 pixels in which everything is twice as large.
ZOOMED = 640
LONG = "Donaudampfschifffahrtsgesellschaft" * 5
HEBREW = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}\N{HEBREW LETTER VAV}\N{HEBREW LETTER FINAL MEM}"
# Pages that are about no row.
LISTS = [reverse(route) for route, row in PAGES.values() if row is None and ":" in route]
AXE = (Path(__file__).parent / "axe.min.js").read_text()
VIOLATIONS = """async (options) => (await axe.run(options)).violations.map(
    (rule) => `${rule.id}: ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`
)"""


@pytest.mark.parametrize("half", [0, 1])
def test_every_page_can_be_used_by_everybody(half, world, user_cookie, live_server):
    shown = dict([*addresses(world).items()][half::2])
    with open_chromium() as browser:
        assert problems_of(open_page(browser, live_server), shown, user_cookie) == {}


def test_pages_without_rows_can_be_used_by_everybody(owner_cookie, live_server):
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        assert problems_of(page, {one: one for one in LISTS}, owner_cookie, views=TWO_VIEWS) == {}


def test_long_names_and_many_rows_fit(organization, user, owner_cookie, live_server):
    shown = [*LISTS, *overfull(organization, user)]
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        assert problems_of(page, {one: one for one in shown}, owner_cookie, views=TWO_VIEWS) == {}


def test_the_key_of_a_second_factor_can_be_entered_by_everybody(user, user_cookie, live_server):
    begin_factor(user)
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        assert problems_of(page, {"second-factor": reverse("second-factor")}, user_cookie) == {}


def test_text_from_right_to_left_runs_so(organization, user_cookie, live_server):
    dataset = DatasetFactory(organization=organization, examples=1)
    version = DatasetFactory(organization=organization, series_id=dataset.pk, version=2, examples=1)
    version.examples.update(
        messages=[{"role": "user", "content": HEBREW}, {"role": "assistant", "content": "Yes."}]
    )
    compared = f"{reverse('datasets:compare', args=[version.pk])}?old={dataset.pk}&new={version.pk}"
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        page.context.add_cookies([user_cookie])
        page.goto(reverse("datasets:detail", args=[version.pk]))
        assert directions(page, ".turn-text") == ["rtl", "ltr"]
        page.goto(compared)
        assert directions(page, ".diff del, .diff ins") == ["ltr", "rtl", "ltr", "ltr"]


def directions(page, selector):
    return page.locator(selector).evaluate_all("(all) => all.map((one) => getComputedStyle(one).direction)")


def test_the_keyboard_skips_to_the_content(user_cookie, live_server):
    with open_chromium() as browser:
        page = open_page(browser, live_server)
        page.context.add_cookies([user_cookie])
        page.goto(reverse("datasets:list"))
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")

        expect(page.get_by_role("link", name="Import conversations")).to_be_focused()


def overfull(organization, user):
    """Rows for more than a page with names that have no place to break; returns the pages of one of each."""
    columns = {"organization": organization, "created_by": user, "name": LONG}
    dataset = DatasetFactory.create_batch(21, **columns, examples=2)[0]
    job = JobFactory.create_batch(21, **columns, dataset=dataset, status="failed", error_message=LONG)[0]
    model = FineTunedModelFactory.create_batch(21, **columns)[0]
    agent = organization.agents.create(name=LONG[:100], model=model)
    jobs = ",".join(str(pk) for pk in organization.jobs.values_list("pk", flat=True)[:5])
    return [
        *(
            reverse(f"{route}:detail", args=[row.pk])
            for route, row in {
                "datasets": dataset,
                "jobs": job,
                "models_registry": model,
                "agents": agent,
            }.items()
        ),
        f"{reverse('jobs:compare')}?jobs={jobs}",
        f"{reverse('datasets:list')}?view=table",
        f"{reverse('finetuning:search')}?q={LONG[:30]}",
    ]


def open_page(browser, live_server):
    # axe is injected, which the pages' own policy forbids.
    return browser.new_context(base_url=live_server.url, bypass_csp=True).new_page()


def problems_of(page, named, cookie, *, views=VIEWS):
    """What is wrong with each of the named addresses, where anything is."""
    found = {}
    for name, address in named.items():
        if name not in PUBLIC:
            page.context.add_cookies([cookie])
        assert page.goto(address).status == STATUSES.get(name, 200), name
        found[name] = [*problems_in(page, views), *too_wide(page, ZOOMED)]
    return {name: problems for name, problems in found.items() if problems}


def problems_in(page, views=VIEWS):
    """What axe finds in each theme and width, and whether the page has to be moved sideways to be read."""
    page.evaluate(AXE)
    for theme, width, options in views:
        # In the middle of a transition a colour is neither theme's.
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        yield from too_wide(page, width)
        yield from (f"{theme}, {width} px: {problem}" for problem in page.evaluate(VIOLATIONS, options))


def too_wide(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    is_wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [f"wider than {width} px"] if is_wider else []
