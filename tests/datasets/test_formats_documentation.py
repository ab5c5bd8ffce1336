"""The documentation names every format, layout and kind of column, and no other."""

import re
from pathlib import Path

from datasets.formats import FORMATS
from datasets.layouts import LAYOUTS, TARGETS

TEXT = (Path(__file__).parents[2] / "docs/formats.md").read_text()


def test_names_every_layout():
    section = TEXT.split("## Layouts")[1].split("##")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(LAYOUTS)


def test_names_every_format():
    assert re.findall(r"^\| [\w ]+ \| `\.(\w+)`", TEXT, re.MULTILINE) == list(FORMATS)


def test_names_what_a_column_can_be():
    section = TEXT.split("## Columns")[1].split("##")[0]

    assert {target for target in TARGETS if f"`{target}`" in section} == TARGETS.keys()
