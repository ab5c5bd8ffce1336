"""Which languages texts are in, told by CLD3 (107 languages)."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import gcld3

MAX_BYTES = 1_000
# BCP 47 for a text of which nobody can tell: a few names, numbers, source code.
UNKNOWN = "und"


def shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of each language by its BCP 47 code, the most frequent first; empty for no texts."""
    counts = Counter(map(_language, texts))
    return {language: round(count / len(texts), 3) for language, count in sorted(counts.items(), key=_order)}


def _language(text: str) -> str:
    found = _detector().FindLanguage(text=text)
    return str(found.language) if found.is_reliable else UNKNOWN


@cache
def _detector() -> gcld3.NNetLanguageIdentifier:
    return gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=MAX_BYTES)


def _order(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
