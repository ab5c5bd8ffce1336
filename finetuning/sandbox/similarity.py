"""Text similarity measures of the vendor's ``text_similarity`` grader, 0 to 1. Pure."""

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import partial

Words = list[str]


def _words(text: str) -> Words:
    return re.findall(r"\w+", text.lower())


def _ngrams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[offset:] for offset in range(n)), strict=False))


def _f1(common: float, left: float, right: float) -> float:
    return 2 * common / (left + right) if left + right else 0.0


def fuzzy_match(text: str, reference: str) -> float:
    """Ratio of matching characters."""
    return difflib.SequenceMatcher(None, text, reference, autojunk=False).ratio()


def cosine(text: str, reference: str) -> float:
    """Cosine of the word counts."""
    left, right = Counter(_words(text)), Counter(_words(reference))
    norm = math.sqrt(sum(n * n for n in left.values()) * sum(n * n for n in right.values()))
    return sum(count * right[word] for word, count in left.items()) / norm if norm else 0.0


def rouge_n(n: int, text: str, reference: str) -> float:
    """F1 of common runs of ``n`` words."""
    left, right = _ngrams(_words(text), n), _ngrams(_words(reference), n)
    return _f1((left & right).total(), left.total(), right.total())


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of words."""
    left, right = _words(text), _words(reference)
    row = [0] * (len(right) + 1)
    for word in left:
        previous = 0
        for index, other in enumerate(right, start=1):
            diagonal, previous = previous, row[index]
            row[index] = diagonal + 1 if word == other else max(row[index], row[index - 1])
    return _f1(row[-1], len(left), len(right))


def _overlap(text: str, reference: str) -> list[tuple[int, int, int]]:
    left, right = _words(text), _words(reference)
    pairs = [(_ngrams(left, n), _ngrams(right, n)) for n in range(1, 5)]
    return [((a & b).total(), a.total(), b.total()) for a, b in pairs]


def bleu(text: str, reference: str) -> float:
    """Geometric mean of the precision of runs of 1 to 4 words, with BLEU's penalty for short texts."""
    overlap = _overlap(text, reference)
    if not all(common for common, _, _ in overlap):
        return 0.0
    precision = math.exp(sum(math.log(common / total) for common, total, _ in overlap) / 4)
    return precision * min(1.0, math.exp(1 - overlap[0][2] / overlap[0][1]))


def gleu(text: str, reference: str) -> float:
    """The smaller of precision and recall of all runs of 1 to 4 words (Google's sentence-level BLEU)."""
    common, left, right = (sum(column) for column in zip(*_overlap(text, reference), strict=True))
    return common / max(left, right) if max(left, right) else 0.0


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "cosine": cosine,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{n}": partial(rouge_n, n) for n in range(1, 6)},
    "rouge_l": rouge_l,
}
