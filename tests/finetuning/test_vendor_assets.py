"""The browser assets that are committed, and the command that fetched them."""

import hashlib
import json

from finetuning.management.commands import vendor_assets


def test_committed_assets_are_the_ones_of_the_manifest(settings):
    manifest = json.loads((settings.BASE_DIR / vendor_assets.MANIFEST).read_text())

    recorded = {path: digest for entry in manifest for path, digest in entry["files"].items()}
    found = {p: hashlib.sha256((settings.BASE_DIR / p).read_bytes()).hexdigest() for p in recorded}

    assert "finetuning/static/finetuning/vendor/htmx.min.js" in recorded
    assert found == recorded


def test_manifest_holds_the_pinned_versions(settings):
    manifest = json.loads((settings.BASE_DIR / vendor_assets.MANIFEST).read_text())

    recorded = {entry["package"]: entry["version"] for entry in manifest}

    assert recorded == {p.name: p.version for p in [*vendor_assets.PACKAGES, vendor_assets.ICONS]}


def test_removes_source_map_comments_only_at_the_end():
    assert vendor_assets.without_source_map(b"a{}\n/*# sourceMappingURL=a.css.map */") == b"a{}\n"
    assert vendor_assets.without_source_map(b"f()\n//# sourceMappingURL=a.js.map\n") == b"f()\n"
    assert vendor_assets.without_source_map(b"x /* keep */") == b"x /* keep */"


def test_sprite_holds_every_named_icon(settings):
    sprite = (settings.BASE_DIR / vendor_assets.SPRITE).read_text()

    assert [name for name in vendor_assets.ICON_NAMES if f'<symbol id="{name}"' not in sprite] == []
