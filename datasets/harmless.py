"""Texts to be looked at: private data masked, and characters that hide or reorder others made visible."""

import json
import re

from datasets.quality import private_data

_HIDING = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text as it can be looked at."""
    return _HIDING.sub(lambda match: f"\\u{ord(match.group()):04x}", private_data.mask(text))


def harmless_json(value: object, *, indent: int | None = None) -> str:
    """A JSON value as it can be looked at. Its texts are masked as they read, not as JSON writes them."""
    return harmless(json.dumps(private_data.mask(value), ensure_ascii=False, indent=indent))
