"""Small values of exports: times, scores, tags, names."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from finetuning.strict_json import StrictJSONError, loads, shown

# Unix time in seconds has not reached it, in milliseconds it has passed it.
MILLISECONDS_FROM = 100_000_000_000


def text(value: object) -> str:
    """A name or an id; empty for what is none."""
    return value if isinstance(value, str) else ""


def moment(value: object) -> datetime | None:
    """The time that a number of Unix seconds or milliseconds or an ISO text is, in UTC where it does not say.
    None for what is no time.
    """
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def unread_time(value: object) -> tuple[str, ...]:
    """What is left out of a time that cannot be read."""
    return () if value in (None, "") or moment(value) else (f"the time {shown(value, length=40)}",)


def mean(scores: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    """The mean of the scores from 0 to 1, and in words the scores that are not."""
    good = {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and 0 <= value <= 1
    }
    others = tuple(
        f"the score {shown(name, length=40)} of {shown(value, length=40)}"
        for name, value in scores.items()
        if name not in good and value is not None
    )
    return (sum(good.values()) / len(good) if good else None), others


def tags(values: object) -> tuple[str, ...]:
    """The texts of a list, each once."""
    found = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
    return tuple(dict.fromkeys(found))


def pairs(values: object) -> tuple[str, ...]:
    """`key:value` of an object of texts."""
    if not isinstance(values, dict):
        return ()
    return tuple(
        f"{key}:{value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()
    )


def unpacked(value: object) -> object:
    """The object or list that a text holds, as tables and some exports write them; else the value itself."""
    if not isinstance(value, str) or value.strip()[:1] not in ("{", "["):
        return value
    try:
        return loads(value.encode())
    except StrictJSONError:
        return value


def counted(words: Iterable[str]) -> tuple[str, ...]:
    """`thoughts (3)` for what occurs three times."""
    return tuple(f"{word} ({count})" for word, count in Counter(words).items())


def declared(value: object) -> tuple[str, ...]:
    """What a request offers its model beside the messages."""
    names = ("tools", "functions")
    return tuple(f"`{name}`" for name in names if isinstance(value, dict) and value.get(name))
