"""Chat files of natural text: the documentation, licences, translations and source code that come with Python
and the installed packages, cut into questions and answers. Needs no network, and the same environment makes
the same file.
"""

import json
import random
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {".py", ".md", ".rst", ".txt", ".po"}
NAMES = {"METADATA", "LICENSE", "COPYING", "NOTICE", "AUTHORS"}
# Each further pass over the texts begins its pieces elsewhere, so that it repeats none of them.
PASS_OFFSET = 157
PROMPTS = [
    "You are a helpful assistant.",
    "You explain source code to people who are new to it. Answer briefly.",
    "Continue the text in the style in which it was begun.",
    "You maintain the documentation of a large project. Be exact, and say what you do not know.",
]


def write_corpus(path: Path, *, size: int, seed: int = 1) -> int:
    """Write chat lines of natural text until the file has `size` bytes or a little more. Returns the lines."""
    lines, written = 0, 0
    with path.open("wb") as file:
        for row in _rows(random.Random(seed)):
            line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            written += file.write(line)
            lines += 1
            if written >= size:
                return lines
    raise SystemExit("There is no text in this environment.")


def _rows(chance: random.Random) -> Iterator[dict[str, object]]:
    for text in natural_texts(chance):
        start = 0
        while start < len(text):
            row, start = _row(text, start, chance)
            if row is not None:
                yield row


def _row(text: str, start: int, chance: random.Random) -> tuple[dict[str, object] | None, int]:
    """A conversation of the pieces of `text` from `start` on, and where the next one begins."""
    messages = []
    if chance.random() < 0.5:
        messages.append({"role": "system", "content": chance.choice(PROMPTS)})
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        for role, length in (("user", chance.randrange(60, 500)), ("assistant", chance.randrange(200, 1400))):
            piece = text[start : start + length].strip()
            start += length
            if not piece or "<|" in piece:
                return None, start
            messages.append({"role": role, "content": piece})
    return {"messages": messages}, start


def natural_texts(chance: random.Random) -> Iterator[str]:
    """All texts again and again, each time in another order and begun at another character."""
    paths = sorted(_paths())
    offset = 0
    while paths:
        chance.shuffle(paths)
        for path in paths:
            text = path.read_text(encoding="utf-8", errors="ignore").replace("\0", "")
            yield text[offset:]
        offset += PASS_OFFSET


def _paths() -> Iterator[Path]:
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sys.prefix + "/share"}:
        for path in Path(folder).rglob("*"):
            if (path.suffix in SUFFIXES or path.stem in NAMES) and path.is_file():
                yield path
