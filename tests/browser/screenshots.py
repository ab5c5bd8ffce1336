"""Pictures of every page, for the documentation: `make screenshots`. Not a test; it only needs their world."""

import os
from io import BytesIO
from pathlib import Path

from django.conf import settings
from PIL import Image

from tests.browser.conftest import open_chromium
from tests.browser.pages import PUBLIC, addresses

FOLDER = Path(os.environ.get("SCREENSHOTS") or settings.BASE_DIR / "docs" / "screenshots")
VIEWS = {"light": {"width": 1280, "height": 800}, "dark": {"width": 390, "height": 844}}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
# What is further down shows nothing new of the layout.
HIGHEST = 1400


def test_pictures(world, user, member_cookie, live_server):
    user.first_name = "Grace Hopper"
    user.save()
    user.page_sessions.update(address="192.0.2.7", user_agent=BROWSER)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open_chromium() as browser:
        for theme, viewport in VIEWS.items():
            context = browser.new_context(base_url=live_server.url, color_scheme=theme, viewport=viewport)
            page = context.new_page()
            for name, address in addresses(world).items():
                if name not in PUBLIC:
                    context.add_cookies([member_cookie])
                page.goto(address, wait_until="networkidle")
                if page.locator(".chart-table tbody tr").count():
                    page.locator(".chart canvas").wait_for()
                save(picture(page, viewport), FOLDER / f"{name}-{theme}.webp")


def picture(page, viewport):
    """The page in a window as high as it is itself: what sticks to the window's edges stands where it belongs."""
    page.set_viewport_size(viewport)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size(viewport | {"height": min(height, HIGHEST)})
    return page.screenshot(animations="disabled")


def save(taken, path):
    Image.open(BytesIO(taken)).convert("RGB").save(path, lossless=True, method=6)
