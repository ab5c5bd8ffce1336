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
# What is further down shows nothing new of the layout.
HIGHEST = 1400
LARGEST = 80_000
COLOURS = (128, 64, 32, 16)
DRAWN_MS = 500


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
                page.wait_for_timeout(DRAWN_MS)
                save(page.screenshot(full_page=True, animations="disabled"), FOLDER / f"{name}-{theme}.png")


def save(picture, path):
    """As a PNG with as many colours as fit into the size."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, HIGHEST)))
    for colours in COLOURS:
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            return
