"""Pictures of every page, for the documentation: `make screenshots`. Not a test; it only needs their world."""

import os
from pathlib import Path

from django.conf import settings

from tests.browser.conftest import open_chromium
from tests.browser.pages import PUBLIC, addresses

FOLDER = Path(os.environ.get("SCREENSHOTS") or settings.BASE_DIR / "docs" / "screenshots")
VIEWS = {"light": {"width": 1280, "height": 800}, "dark": {"width": 390, "height": 844}}


def test_pictures(world, member_cookie, live_server):
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open_chromium() as browser:
        for theme, viewport in VIEWS.items():
            context = browser.new_context(base_url=live_server.url, color_scheme=theme, viewport=viewport)
            page = context.new_page()
            for name, address in addresses(world).items():
                if name not in PUBLIC:
                    context.add_cookies([member_cookie])
                page.goto(address)
                page.screenshot(path=FOLDER / f"{name}-{theme}.png", full_page=True, animations="disabled")
