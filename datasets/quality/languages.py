"""Which languages texts are in, told by py3langid (97 languages, ISO 639-1)."""

from collections import Counter
from collections.abc import Sequence


def shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of each language, the most frequent first; empty for no texts."""
    if not texts:
        return {}
    # Its model takes a second and 50 MB to load, which only a report needs.
    import py3langid

    counts = Counter(str(py3langid.classify(text)[0]) for text in texts)
    return {language: round(count / len(texts), 3) for language, count in sorted(counts.items(), key=_order)}


def _order(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
