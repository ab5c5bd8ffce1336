"""How two JSON values differ, in words short enough to look at.

Private data is masked: what was redacted from a dataset must not live on in its history.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from datasets.harmless import harmless, harmless_json
from datasets.validation.findings import escaped

SHOWN_CHARACTERS = 300
# How much of what is the same stands before the first difference.
CONTEXT_CHARACTERS = 60
SHOWN_PER_LINE = 10


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at a JSON pointer (RFC 6901) before and after; None where nothing does."""

    pointer: str
    before: str | None
    after: str | None


def differences(before: object, after: object, pointer: str = "") -> Iterator[Difference]:
    """Every place in which the values differ, in the order of the first one."""
    if _same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(before, after, pointer)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, pointer)
    else:
        yield difference(_text(before), _text(after), pointer=pointer)


def difference(before: str | None, after: str | None, *, pointer: str = "") -> Difference:
    """Both texts, harmless and cut to the place where they begin to differ."""
    before, after = (None if text is None else harmless(text) for text in (before, after))
    start = max(0, _same_characters(before or "", after or "") - CONTEXT_CHARACTERS)
    return Difference(pointer=pointer, before=_cut(before, start), after=_cut(after, start))


def _of_objects(before: Mapping[str, Any], after: Mapping[str, Any], pointer: str) -> Iterator[Difference]:
    for key in [*before, *(key for key in after if key not in before)]:
        place = f"{pointer}/{escaped(key)}"
        if key not in after:
            yield difference(_text(before[key]), None, pointer=place)
        elif key not in before:
            yield difference(None, _text(after[key]), pointer=place)
        else:
            yield from differences(before[key], after[key], place)


def _of_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[Difference]:
    """Elements that were put in or left out are so where the lists begin to differ."""
    start = _same_elements(before, after)
    end = _same_elements(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    for index in range(max(len(old), len(new))):
        place = f"{pointer}/{start + index}"
        if index >= len(new):
            yield difference(_text(old[index]), None, pointer=place)
        elif index >= len(old):
            yield difference(None, _text(new[index]), pointer=place)
        else:
            yield from differences(old[index], new[index], place)


def _same_elements(first: list[Any], second: list[Any]) -> int:
    pairs = zip(first, second, strict=False)
    return next(
        (n for n, (one, other) in enumerate(pairs) if not _same(one, other)), min(len(first), len(second))
    )


def _same_characters(first: str, second: str) -> int:
    pairs = zip(first, second, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def _same(one: object, other: object) -> bool:
    """Unlike `==`, which takes 1 and true for the same."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _text(value: object) -> str:
    return value if isinstance(value, str) else harmless_json(value)


def _cut(text: str | None, start: int) -> str | None:
    if text is None:
        return None
    shown = text[start : start + SHOWN_CHARACTERS]
    return f"{'…' if start else ''}{shown}{'…' if len(text) > start + SHOWN_CHARACTERS else ''}"
