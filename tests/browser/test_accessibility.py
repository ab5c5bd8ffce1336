"""axe-core finds nothing on any page, in the light and the dark theme, wide and narrow."""

from pathlib import Path

import pytest

from tests.browser.conftest import open_chromium
from tests.browser.pages import PUBLIC, addresses

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)
AXE = (Path(__file__).parent / "axe.min.js").read_text()
VIOLATIONS = """async () => (await axe.run()).violations.map(
    (rule) => `${rule.id}: ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`
)"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(theme, world, member_cookie, live_server):
    found = {}
    with open_chromium() as browser:
        context = browser.new_context(
            base_url=live_server.url,
            color_scheme=theme,
            # axe is injected, which the pages' own policy forbids.
            bypass_csp=True,
        )
        page = context.new_page()
        for name, address in addresses(world).items():
            if name not in PUBLIC:
                context.add_cookies([member_cookie])
            page.goto(address)
            page.evaluate(AXE)
            found[name] = [problem for width in WIDTHS for problem in violations(page, width)]

    assert {name: problems for name, problems in found.items() if problems} == {}


def violations(page, width):
    """What axe finds at that width, and whether the page has to be moved sideways to be read."""
    page.set_viewport_size({"width": width, "height": 900})
    too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return page.evaluate(VIOLATIONS) + ([f"wider than {width} px"] if too_wide else [])
