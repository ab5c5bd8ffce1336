"""How a rule says what it has found."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from datasets.problem_codes import KINDS
from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from finetuning.strict_json import shown

Object = Mapping[str, Any]
Rule = Callable[[Object, str], Iterator[Problem]]


def wrong(code: str, pointer: str, message: str, found: object, expected: str, *, fix: str = "") -> Problem:
    """A problem of one value; `found` is shown cut and made harmless."""
    return Problem(
        code=code,
        severity=KINDS[code].severity,
        pointer=pointer[:MAX_POINTER_CHARACTERS],
        message=message,
        found=shown(found),
        expected=expected,
        fix=fix,
    )


def unknown_fields(value: Object, known: frozenset[str], pointer: str) -> Iterator[Problem]:
    """A problem for each key of `value` that is not among the `known` ones."""
    for key in (key for key in value if key not in known):
        yield wrong(
            "unknown_field",
            f"{pointer}/{escaped(key)}",
            "This field is not known.",
            key,
            ", ".join(sorted(known)),
            fix="Remove the field, or correct its spelling.",
        )


def escaped(key: str) -> str:
    """`key` as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def walk(value: object, pointer: str = "", key: str = "") -> Iterator[tuple[str, str, object]]:
    """A JSON value and all values in it, each with its JSON pointer and its key, which is empty in a list."""
    yield pointer, key, value
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from walk(item, f"{pointer}/{escaped(name)}", name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, f"{pointer}/{index}")


def of_type(values: object, kind: type) -> list[Any]:
    """The elements of `values` that are of `kind`; none when it is no list."""
    return [value for value in values if isinstance(value, kind)] if isinstance(values, list) else []
