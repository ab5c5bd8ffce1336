"""Personal data and secrets in texts: where they are, and how they are made unreadable.

Matched by RE2, whose time grows with the text only, whatever the text is. Sources of the patterns: the key
formats that OpenAI, Anthropic, AWS, GitHub, Slack and Google document; RFC 7519 for tokens; RFC 7468 for
private keys; ISO 7812 (Luhn) for cards; ISO 13616 for IBAN; E.123 and the North American plan for telephones.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from datasets.problems import Problem
from datasets.quality.texts import strings_of

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
_NOT_INSIDE = r"(?:^|[^0-9A-Za-z_.+/=-])"
_PATTERNS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (
        "private_key",
        r"(-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----"
        r"(?:[A-Za-z0-9+/=\\n\s:,-]*?-----END (?:[A-Z]{2,12} )?PRIVATE KEY-----)?)",
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

KINDS = tuple(dict.fromkeys(kind for kind, _, _ in _PATTERNS))


def _options() -> re2.Options:
    options = re2.Options()
    options.never_nl = False
    options.log_errors = False
    return options


def _filter() -> re2.Set:
    """All patterns as one automaton over bytes, which only says which of them may occur."""
    options = _options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    patterns = re2.Set.SearchSet(options)
    for _, pattern, _ in _PATTERNS:
        patterns.Add(pattern)
    patterns.Compile()
    return patterns


_FILTER = _filter()
_MATCHERS = tuple((kind, re2.compile(pattern, _options()), holds) for kind, pattern, holds in _PATTERNS)


def looks_private(text: bytes) -> bool:
    """Whether `find` may find something in this text. Fast, for texts of which most hold nothing."""
    return bool(_FILTER.Match(text))


def find(row: Mapping[str, Any]) -> Iterator[Finding]:
    """What is private in the texts of a row, in their order. Nothing is found twice."""
    for pointer, text in strings_of(row):
        yield from _find_in(text, pointer)


def check(row: Mapping[str, Any], *, line: int) -> list[Problem]:
    """A warning for each finding in a row."""
    return [problem_of(finding, line=line) for finding in find(row)]


def redact(value: Any, *, key: bytes) -> Any:
    """A copy of a JSON value with everything private replaced, such as `[EMAIL-1f0c9a2b]`.

    The same value becomes the same word wherever it occurs, as long as `key` is the same, so conversations
    still make sense; without the key nobody can test a guess. Object keys stay.
    """
    if isinstance(value, str):
        return _redact_text(value, key)
    if isinstance(value, list):
        return [redact(item, key=key) for item in value]
    if isinstance(value, Mapping):
        return {name: redact(item, key=key) for name, item in value.items()}
    return value


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
    taken: list[tuple[int, int]] = []
    for kind, matcher, holds in [_MATCHERS[number] for number in sorted(_FILTER.Match(text.encode()) or ())]:
        for match in matcher.finditer(text):
            start, end = match.span(1)
            if holds(match.group(1)) and not any(start < last and first < end for first, last in taken):
                taken.append((start, end))
                yield Finding(kind=kind, pointer=pointer, start=start, end=end, value=match.group(1))


def _redact_text(text: str, key: bytes) -> str:
    for finding in sorted(_find_in(text, ""), key=lambda finding: finding.start, reverse=True):
        text = text[: finding.start] + _substitute(finding, key) + text[finding.end :]
    return text


def _substitute(finding: Finding, key: bytes) -> str:
    plain = finding.value.lower() if finding.kind == "email" else finding.value
    if finding.kind in {"card", "iban", "phone"}:
        plain = "".join(character for character in plain if character.isalnum())
    mark = hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:8]
    return f"[{finding.kind.upper()}-{mark}]"
