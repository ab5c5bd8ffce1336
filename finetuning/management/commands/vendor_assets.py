"""Fetch the pinned browser assets from the npm registry; for maintainers, at each change of a version."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand

STATIC = Path("finetuning/static/finetuning")
VENDOR = STATIC / "vendor"
MANIFEST = VENDOR / "manifest.json"
SPRITE = STATIC / "icons.svg"


@dataclass(frozen=True, kw_only=True)
class Package:
    """One npm package at one version: the files to copy, as path inside the package -> path here."""

    name: str
    version: str
    licence: str
    files: dict[str, Path] = field(default_factory=dict)


ICONS = Package(name="@tabler/icons", version="3.51.0", licence="MIT")
PACKAGES = [
    Package(
        name="@tabler/core",
        version="1.6.1",
        licence="MIT",
        files={"dist/css/tabler.min.css": VENDOR / "tabler.min.css"},
    ),
    Package(
        name="htmx.org",
        version="4.0.1",
        licence="0BSD",
        files={"dist/htmx.min.js": VENDOR / "htmx.min.js", "LICENSE": VENDOR / "htmx.LICENSE.txt"},
    ),
    Package(
        name="uplot",
        version="1.6.32",
        licence="MIT",
        files={
            "dist/uPlot.iife.min.js": VENDOR / "uplot.min.js",
            "dist/uPlot.min.css": VENDOR / "uplot.min.css",
            "LICENSE": VENDOR / "uplot.LICENSE.txt",
        },
    ),
    Package(
        name="axe-core",
        version="4.14.1",
        licence="MPL-2.0",
        files={"axe.min.js": Path("tests/browser/axe.min.js")},
    ),
]
# fmt: off
ICON_NAMES = [
    "activity", "alert-circle", "alert-triangle", "archive", "arrow-left", "arrow-right", "book-2",
    "building", "chart-line", "check", "chevron-down", "chevron-left", "chevron-right", "circle-check",
    "clock", "cloud-upload", "code", "coin", "copy", "cube", "database", "device-desktop", "download",
    "external-link", "file-text", "history", "info-circle", "layout-dashboard", "list-check", "logout",
    "menu-2", "messages", "moon", "pencil", "player-play", "player-stop", "plus", "refresh", "rocket",
    "search", "send", "settings", "sun", "terminal-2", "trash", "upload", "user", "x",
]
# fmt: on


class Command(BaseCommand):
    """`manage.py vendor_assets`: needs npm and the network; running it twice changes nothing."""

    help = __doc__

    def handle(self, **options: object) -> None:
        """Write the vendored files, the icon sprite and the manifest of their SHA-256 sums."""
        entries = []
        with tempfile.TemporaryDirectory() as scratch:
            for package in PACKAGES:
                source = unpack(package, Path(scratch))
                for inside, target in package.files.items():
                    write(target, without_source_map((source / inside).read_bytes()))
                entries.append(manifest_entry(package, list(package.files.values())))
            icons = unpack(ICONS, Path(scratch))
            write(SPRITE, sprite(icons / "icons" / "outline"))
            write(VENDOR / "tabler-icons.LICENSE.txt", (icons / "LICENSE").read_bytes())
        entries.append(manifest_entry(ICONS, [SPRITE, VENDOR / "tabler-icons.LICENSE.txt"]))
        write(MANIFEST, json.dumps(entries, indent=2).encode() + b"\n")
        self.stdout.write(f"{len(entries)} packages written; review them with git diff.")


def unpack(package: Package, scratch: Path) -> Path:
    """Return the folder of the package's content, fetched with `npm pack`."""
    target = scratch / package.name.replace("/", "-")
    target.mkdir()
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    # The package names are the constants above.
    subprocess.run(command, cwd=target, check=True, capture_output=True)  # nosec B603 # noqa: S603 - a command of ours
    with tarfile.open(next(target.glob("*.tgz"))) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def without_source_map(content: bytes) -> bytes:
    """Drop source map comments: the hashing static storage refuses a comment whose map is not there."""
    return re.sub(rb"(?://[#@] sourceMappingURL=\S+|/\*[#@] sourceMappingURL=\S+ \*/)\s*$", b"", content)


def sprite(folder: Path) -> bytes:
    """Return one SVG with a `<symbol>` for each icon; stroke and fill come from the class `icon`."""
    symbols = []
    for name in ICON_NAMES:
        body = re.search(r"<svg[^>]*>(.*)</svg>", (folder / f"{name}.svg").read_text(), re.DOTALL)
        shapes = re.findall(r'<(?!path stroke="none")[^>]+>', body[1]) if body else []
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{"".join(shapes)}</symbol>')
    lines = ['<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""]
    return "\n".join(lines).encode()


def manifest_entry(package: Package, paths: list[Path]) -> dict[str, object]:
    """Return the package's line of the manifest: version, licence, and file -> SHA-256."""
    sums = {str(p): hashlib.sha256((settings.BASE_DIR / p).read_bytes()).hexdigest() for p in paths}
    return {"package": package.name, "version": package.version, "licence": package.licence, "files": sums}


def write(path: Path, content: bytes) -> None:
    """Write a file of the repository, making its folder when needed."""
    target = settings.BASE_DIR / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
