"""Numbered pages of rows that are counted already."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet


def page_of(rows: QuerySet[Any], number: str | None, *, per_page: int, count: int) -> Page[Any]:
    """The page called `number`, or the nearest one; the database does not count the `count` rows again."""
    paginator = Paginator(rows, per_page)
    paginator.count = count
    return paginator.get_page(number)
