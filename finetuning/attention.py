"""What somebody should look at: starts at the organization's relations, so it knows none of the apps."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import CharField, F, QuerySet, Value

from finetuning.models import BaseRetirement, Organization
from finetuning.offers import RETIRES_SOON

# What failed earlier has been seen to, or never will be.
LOOKS_BACK = timedelta(days=30)
FAILED = "failed"
INVALID = "invalid"
PAGES = {FAILED: "jobs:detail", INVALID: "datasets:detail"}


@dataclass(frozen=True, kw_only=True)
class Concern:
    """A job that failed and was not tried again, or a dataset that cannot be trained on."""

    state: str
    name: str
    detail: str
    at: datetime
    row_id: object

    @property
    def page(self) -> str:
        """The name of the row's page."""
        return PAGES[self.state]


def concerns(organization: Organization, *, now: datetime, limit: int) -> list[Concern]:
    """The newest of the last 30 days; one query."""
    since = {"created_at__gte": now - LOOKS_BACK}
    failed = organization.jobs.filter(status=FAILED, retries_of=None, **since)
    invalid = organization.datasets.newest().filter(status=INVALID, **since)
    found = _rows(failed, limit, detail=F("error_message")).union(
        _rows(invalid, limit, detail=Value("", CharField())), all=True
    )
    return [Concern(**row) for row in found.order_by("-at", "-row_id")[:limit]]


def _rows(rows: QuerySet[Any], limit: int, **detail: Any) -> QuerySet[Any, dict[str, Any]]:
    newest = rows.order_by("-created_at", "-id")
    return newest.values("name", state=F("status"), at=F("created_at"), row_id=F("pk"), **detail)[:limit]


def retiring(organization: Organization, *, base_models: Collection[str], day: date) -> dict[str, date]:
    """When each of these base models retires at the organization's providers, if in 90 days or before."""
    kinds = organization.provider_accounts.values("kind")
    known = BaseRetirement.objects.filter(
        base_model__in=base_models, provider_kind__in=kinds, retires_on__lte=day + RETIRES_SOON
    )
    return dict(known.order_by("-retires_on", "base_model").values_list("base_model", "retires_on"))
