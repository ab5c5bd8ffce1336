"""How many rows were made on each of the last days, to be drawn as sparklines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Value
from django.db.models.functions import TruncDate

DAYS = 14


def daily_counts(rows: Mapping[str, QuerySet[Any]], *, now: datetime) -> dict[str, list[int]]:
    """By the names of `rows`, a count for each of the last 14 days in UTC, today at the end; one query."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    first, *others = (_counted(found, name, now) for name, found in rows.items())
    counts = {(row["of"], row["day"]): row["made"] for row in first.union(*others, all=True)}
    return {name: [counts.get((name, day), 0) for day in days] for name in rows}


def _counted(rows: QuerySet[Any], name: str, now: datetime) -> QuerySet[Any, dict[str, Any]]:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = rows.filter(created_at__gte=midnight - timedelta(days=DAYS - 1)).order_by()
    by_day = recent.values(of=Value(name), day=TruncDate("created_at", tzinfo=UTC))
    counted: QuerySet[Any, dict[str, Any]] = by_day.annotate(made=Count("*"))
    return counted
