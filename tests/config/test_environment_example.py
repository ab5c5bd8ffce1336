"""`.env.example` is the list of settings that an operator reads."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_lists_exactly_the_variables_that_settings_read():
    settings = (ROOT / "config" / "settings.py").read_text()
    example = (ROOT / ".env.example").read_text()

    read = set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', settings))
    listed = set(re.findall(r"^([A-Z0-9_]+)=", example, flags=re.MULTILINE))

    assert listed == read
