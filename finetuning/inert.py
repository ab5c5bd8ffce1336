"""Cells of CSV that stay text in a spreadsheet, where `=HYPERLINK(...)` would otherwise run (OWASP)."""

import csv
from collections.abc import Iterable

# What a spreadsheet takes for the start of a formula, the full-width forms as well.
_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - that these look alike is the point
# What it overlooks in front of one.
_OVERLOOKED = " \u00a0\u3000\u200b\ufeff\"'"


def inert(cell: str) -> str:
    """The text with a `'` in front where a spreadsheet would run it."""
    is_live = cell.startswith(_STARTS) or cell.lstrip(_OVERLOOKED).startswith(_STARTS)
    return f"'{cell}" if is_live else cell


def csv_row(cells: Iterable[str]) -> bytes:
    """A line of CSV, every cell in quotes and inert."""
    row: str = _WRITER.writerow([inert(cell) for cell in cells])
    return row.encode()


class _Echo:
    """Hands back what a csv.writer writes."""

    def write(self, text: str) -> str:
        return text


_WRITER = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
