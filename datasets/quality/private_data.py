"""Personal data and secrets in texts: where they are, and how they are made unreadable.

Matched by RE2, whose time grows with the text only, whatever the text is. Sources of the patterns: the key
formats that OpenAI, Anthropic, AWS, GitHub, Slack and Google document; RFC 7519 for tokens; RFC 7468 for
private keys; ISO 7812 (Luhn) for cards; ISO 13616 for IBAN; E.123 and the North American plan for telephones.
"""

import hashlib
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from datasets.problems import Problem
from datasets.validation.findings import walk

# RFC 2606 keeps these for documentation, so nobody is behind them.
RESERVED_DOMAINS = ("example.com", "example.org", "example.net", ".example", ".invalid", ".test")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something private: its `kind`, the text's JSON pointer, and the characters `start` to `end` of it."""

    kind: str
    pointer: str
    start: int
    end: int
    value: str

    @property
    def is_secret(self) -> bool:
        return self.kind in {"api_key", "token", "private_key"}


def _is_person(address: str) -> bool:
    return not address.lower().endswith(RESERVED_DOMAINS)


def _is_card(number: str) -> bool:
    """Luhn's check (ISO 7812)."""
    digits = [int(character) for character in number if character.isdecimal()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(number: str) -> bool:
    """The two check digits (ISO 13616): the number is 1 modulo 97."""
    plain = number.replace(" ", "")
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _always(value: str) -> bool:
    return True


# Before and after a number there is no letter, digit or sign that would make it part of something longer.
# JSON in a text has the last letter of an escape there.
_NOT_INSIDE = r"(?:^|[^0-9A-Za-z_.+/=-]|\\[nrt])"
_PATTERNS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (
        "private_key",
        r"(-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----"
        r"(?:[A-Za-z0-9+/=\\n\s:,-]*?-----END (?:[A-Z]{2,12} )?PRIVATE KEY-----"
        # One that was cut off.
        r"|(?:(?:\\n|\s)*[A-Za-z0-9+/=]{16,})*))",
        _always,
    ),
    ("token", r"(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})", _always),
    ("api_key", _NOT_INSIDE + r"(sk-(?:[a-z0-9]{2,8}-)?[A-Za-z0-9_-]{20,200})", _always),
    ("api_key", _NOT_INSIDE + r"((?:AKIA|ASIA)[A-Z0-9]{16})", _always),
    ("api_key", r"(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})", _always),
    ("api_key", r"(xox[abprs]-[A-Za-z0-9-]{10,200})", _always),
    ("api_key", r"(AIza[A-Za-z0-9_-]{35})", _always),
    (
        "email",
        r"([A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})",
        _is_person,
    ),
    ("iban", _NOT_INSIDE + r"([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b", _is_iban),
    ("card", _NOT_INSIDE + r"([0-9](?:[ -]?[0-9]){12,18})\b", _is_card),
    (
        "phone",
        _NOT_INSIDE + r"(\+[1-9](?:[ ()./-]{0,2}[0-9]){7,14}"
        r"|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4})\b",
        _always,
    ),
)  # fmt: skip

_PLACEHOLDER = re2.compile(r"\[([A-Z_]{4,11})_([0-9]{1,9})\]")


def _options() -> re2.Options:
    """Over bytes, for everything private is ASCII, and places in a str have to be counted out."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_nl = False
    options.log_errors = False
    return options


def _filter() -> re2.Set:
    """All patterns as one automaton, which only says which of them may occur."""
    options = _options()
    options.never_capture = True
    patterns = re2.Set.SearchSet(options)
    for _, pattern, _ in _PATTERNS:
        patterns.Add(pattern)
    patterns.Compile()
    return patterns


_FILTER = _filter()
_MATCHERS = tuple(
    (kind, re2.compile(pattern.encode(), _options()), holds) for kind, pattern, holds in _PATTERNS
)


def looks_private(text: bytes) -> bool:
    """Whether `find` may find something in this text. Fast, for texts of which most hold nothing."""
    return bool(_FILTER.Match(text))


def find(row: Mapping[str, Any]) -> Iterator[Finding]:
    """What is private in the texts of a row, in their order. Nothing is found twice."""
    for pointer, _, value in walk(row):
        if isinstance(value, str):
            yield from _find_in(value, pointer)


class Placeholders:
    """Words in the place of private values, such as `[EMAIL_1]`: the same value has the same word.

    `replaced` lists the word of each value that was replaced, in order. Values are kept as digests only.
    """

    def __init__(self) -> None:
        self._words: dict[tuple[str, bytes], str] = {}
        self._used: dict[str, int] = {}
        self.replaced: list[str] = []

    def reserve(self, text: str) -> None:
        """Use no word again that stands in `text` already."""
        for match in _PLACEHOLDER.finditer(text):
            kind = match.group(1)
            self._used[kind] = max(self._used.get(kind, 0), int(match.group(2)))

    def word_for(self, finding: Finding) -> str:
        """The word for what was found."""
        kind = finding.kind.upper()
        value = (kind, hashlib.sha256(_plain(finding).encode()).digest())
        if value not in self._words:
            self._used[kind] = self._used.get(kind, 0) + 1
            self._words[value] = f"[{kind}_{self._used[kind]}]"
        self.replaced.append(self._words[value])
        return self._words[value]


def redact(value: Any, placeholders: Placeholders) -> Any:
    """A copy of a JSON value with a placeholder for everything private.

    The same value becomes the same word wherever it occurs, so conversations still make sense. Object keys
    stay.
    """
    return _rewritten(value, lambda text: redact_text(text, placeholders))


def _rewritten(value: Any, rewrite: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return rewrite(value)
    if isinstance(value, list):
        return [_rewritten(item, rewrite) for item in value]
    if isinstance(value, Mapping):
        return {name: _rewritten(item, rewrite) for name, item in value.items()}
    return value


def redact_text(text: str, placeholders: Placeholders) -> str:
    """The text with a placeholder for everything private in it."""
    return _replaced(text, placeholders.word_for)


def mask(value: Any) -> Any:
    """A copy of a JSON value to be looked at, everything private in its texts masked. Object keys stay."""
    return _rewritten(value, lambda text: _replaced(text, lambda finding: masked(finding.value)))


def problem_of(finding: Finding, *, line: int) -> Problem:
    """The warning for a finding. What was found is masked: a report is read by more people than the data."""
    what = finding.kind.replace("_", " ")
    code = "secret" if finding.is_secret else "personal_data"
    return Problem(
        code=code,
        severity="warning",
        line=line,
        pointer=finding.pointer,
        message=f"Characters {finding.start} to {finding.end} seem to be private data ({what}).",
        found=masked(finding.value),
        expected="Text that everybody who uses the model may read",
        fix="Remove or redact it: a model repeats what it was trained on. A secret has to be replaced, too.",
    )


def masked(value: str) -> str:
    """The first and the last two characters; of a short value nothing."""
    return f"{value[:2]}…{value[-2:]}" if len(value) >= 8 else "…"


def _find_in(text: str, pointer: str) -> Iterator[Finding]:
    encoded = text.encode()
    taken: list[tuple[int, int]] = []  # in order
    for kind, matcher, holds in [_MATCHERS[number] for number in sorted(_FILTER.Match(encoded) or ())]:
        for start, value in _matches(matcher, encoded):
            end = start + len(value)
            place = bisect(taken, (start, end))
            before, after = taken[max(0, place - 1) : place], taken[place : place + 1]
            is_free = all(last <= start for _, last in before) and all(end <= first for first, _ in after)
            if is_free and holds(value):
                taken.insert(place, (start, end))
                yield Finding(kind=kind, pointer=pointer, start=start, end=end, value=value)


def _matches(matcher: Any, encoded: bytes) -> Iterator[tuple[int, str]]:
    """What the first groups match, with the character at which each begins."""
    characters, counted = 0, 0
    for match in matcher.finditer(encoded):
        start, end = match.span(1)
        characters += len(encoded[counted:start].decode())
        counted = start
        yield characters, encoded[start:end].decode()


def _replaced(text: str, substitute: Callable[[Finding], str]) -> str:
    pieces, end = [], 0
    for finding in sorted(_find_in(text, ""), key=lambda finding: finding.start):
        pieces += [text[end : finding.start], substitute(finding)]
        end = finding.end
    return "".join([*pieces, text[end:]])


def _plain(finding: Finding) -> str:
    """The value without what its writers choose: capitals of an address, spaces in a number."""
    if finding.kind == "email":
        return finding.value.lower()
    if finding.kind in {"card", "iban", "phone"}:
        return "".join(character for character in finding.value if character.isalnum())
    return finding.value
