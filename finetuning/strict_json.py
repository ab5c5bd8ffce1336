"""One strict reader of JSON for request bodies and training files alike, so that both give one verdict.

Refused beside what RFC 8259 refuses: bytes that are not UTF-8, NaN and infinities (1e400 is one), an object
with a key twice, numbers of more than 400 digits, deep nesting, and text that PostgreSQL cannot store as
jsonb: NUL and lone surrogates.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

MAX_DEPTH = 32
MAX_DIGITS = 400

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\(?:.|\Z)[^"\\]*)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class StrictJSONError(ValueError):
    """What is wrong, and where.

    `code` is one of encoding, nul, surrogate, invalid_json, duplicate_key, non_finite, number, depth.
    `pointer` is the JSON pointer (RFC 6901) of the value, or of the object that holds a bad key; empty where
    the text could not be taken apart. `offset` counts bytes from 0; None where only the pointer is known.
    """

    def __init__(self, code: str, message: str, *, pointer: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pointer = pointer
        self.offset = offset


def loads(data: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """The value that `data` holds, UTF-8 without a byte order mark. The outermost container has depth 1.

    Raises `StrictJSONError` and nothing else, for the first thing that is wrong.
    """
    text = _decode(data)
    flaws: list[_Flaw] = []
    try:
        value: object = _decoder(flaws).decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(text, error) from None
    except RecursionError:
        raise _depth_error(max_depth, offset=_offset_below(text, max_depth)) from None
    openers = text.count("{") + text.count("[")
    if flaws or openers > max_depth or _UNSTORABLE_ESCAPE.search(text):
        _refuse_flaws(value, max_depth)
    return value


def shown(value: object, *, length: int = 80) -> str:
    """`value` for use in a message: one line, cut, and without characters that hide or reorder others."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    visible = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text[:length])
    return visible + ("…" if len(text) > length else "")


@dataclass(frozen=True)
class _Flaw:
    """Stands in the parsed value for a number that JSON writes but that is refused."""

    code: str
    message: str


class _ObjectWithDuplicates(dict[str, object]):
    """An object in which `key` stood more than once."""

    key = ""


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        message = f"Byte {error.start + 1} (0x{data[error.start]:02x}) is not valid UTF-8."
        raise StrictJSONError("encoding", message, offset=error.start) from None
    if "\0" in text:
        offset = data.index(b"\0")
        raise StrictJSONError("nul", f"Byte {offset + 1} is a NUL character.", offset=offset)
    return text


def _decoder(flaws: list[_Flaw]) -> json.JSONDecoder:
    """A decoder that puts flaws where they stand and also lists them: one cannot raise from its hooks
    and still say where."""

    def flawed(code: str, message: str) -> _Flaw:
        flaws.append(_Flaw(code, message))
        return flaws[-1]

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(items)
        return value if len(value) == len(items) else _with_duplicates(items, flaws)

    def real(digits: str) -> object:
        if len(digits) > MAX_DIGITS:
            return flawed(
                "number", f"The number {shown(digits, length=20)} has more than {MAX_DIGITS} digits."
            )
        number = float(digits)
        return number if math.isfinite(number) else constant(digits)

    def integer(digits: str) -> object:
        return int(digits) if len(digits) <= MAX_DIGITS else real(digits)

    def constant(word: str) -> _Flaw:
        return flawed("non_finite", f"{shown(word)} is not a finite number.")

    return json.JSONDecoder(
        object_pairs_hook=pairs, parse_float=real, parse_int=integer, parse_constant=constant
    )


def _with_duplicates(items: list[tuple[str, object]], flaws: list[_Flaw]) -> _ObjectWithDuplicates:
    value = _ObjectWithDuplicates()
    for key, item in items:
        if key in value and not value.key:
            value.key = key
        value[key] = item
    flaws.append(_Flaw("duplicate_key", value.key))
    return value


def _syntax_error(text: str, error: json.JSONDecodeError) -> StrictJSONError:
    offset = len(text[: error.pos].encode())
    message = f"This is not valid JSON: {error.msg} at character {error.pos + 1}."
    return StrictJSONError("invalid_json", message, offset=offset)


def _depth_error(max_depth: int, *, pointer: str = "", offset: int | None = None) -> StrictJSONError:
    message = f"Objects and arrays are nested more than {max_depth} deep."
    return StrictJSONError("depth", message, pointer=pointer, offset=offset)


def _offset_below(text: str, max_depth: int) -> int | None:
    """The byte offset of the first bracket that opens deeper than `max_depth`."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if match.group() in "[{":
            depth += 1
        elif match.group() in "]}":
            depth -= 1
        if depth > max_depth:
            return len(text[: match.start()].encode())
    return None


@dataclass(frozen=True)
class _Place:
    """A value and the way to it, so that a pointer is only spelled out when it is needed."""

    value: object
    depth: int
    key: str | int = ""
    parent: "_Place | None" = None

    @property
    def pointer(self) -> str:
        steps = []
        place = self
        while place.parent is not None:
            steps.append("/" + str(place.key).replace("~", "~0").replace("/", "~1"))
            place = place.parent
        return "".join(reversed(steps))

    def children(self) -> Iterator["_Place"]:
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield _Place(value, self.depth + 1, key, self)
        elif isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield _Place(value, self.depth + 1, index, self)


def _refuse_flaws(root: object, max_depth: int) -> None:
    """Raise for the first flaw in the order of the text. Iterative: the value may be nested deep."""
    open_places = [iter([_Place(root, 1)])]
    while open_places:
        place = next(open_places[-1], None)
        if place is None:
            open_places.pop()
            continue
        _refuse_flaw(place, max_depth)
        if isinstance(place.value, dict | list):
            open_places.append(place.children())


def _refuse_flaw(place: _Place, max_depth: int) -> None:
    value = place.value
    if isinstance(value, _Flaw):
        raise StrictJSONError(value.code, value.message, pointer=place.pointer)
    if isinstance(value, str):
        _refuse_unstorable(value, place)
    if isinstance(value, dict | list) and place.depth > max_depth:
        raise _depth_error(max_depth, pointer=place.pointer)
    if isinstance(value, dict):
        for key in value:
            _refuse_unstorable(key, place)
    if isinstance(value, _ObjectWithDuplicates):
        message = f'The key "{shown(value.key)}" occurs more than once in one object.'
        raise StrictJSONError("duplicate_key", message, pointer=place.pointer)


def _refuse_unstorable(text: str, place: _Place) -> None:
    found = _UNSTORABLE.search(text)
    if found:
        _raise_unstorable(found.group(), place.pointer)


def _raise_unstorable(character: str, pointer: str) -> NoReturn:
    if character == "\0":
        raise StrictJSONError("nul", "The text contains a NUL character (\\u0000).", pointer=pointer)
    message = f"The text contains half a surrogate pair (\\u{ord(character):04x}), which is no character."
    raise StrictJSONError("surrogate", message, pointer=pointer)
