"""What happened lately in an organization: starts at its relations, so it knows none of the apps."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, Value

from finetuning.models import Organization, User


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Something that happened. `state` is a word for a status badge; `page` the name of the row's page."""

    at: datetime
    state: str
    words: str
    name: str
    page: str
    row_id: object


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A sort of activity: a column that holds its time. Without a `state`, the row's own status is shown."""

    relation: str
    column: str
    words: str
    page: str
    state: str = ""


KINDS = (
    Kind(
        relation="datasets",
        column="created_at",
        state="added",
        words="{actor} added the dataset",
        page="datasets:detail",
    ),
    Kind(relation="datasets", column="validated_at", words="Checked the dataset", page="datasets:detail"),
    Kind(
        relation="jobs",
        column="created_at",
        state="started",
        words="{actor} started the job",
        page="jobs:detail",
    ),
    Kind(relation="jobs", column="completed_at", words="The job ended:", page="jobs:detail"),
    Kind(relation="jobs", column="cancelled_at", words="The job was stopped:", page="jobs:detail"),
    Kind(
        relation="fine_tuned_models",
        column="created_at",
        state="new",
        words="A model was made:",
        page="models_registry:detail",
    ),
    Kind(
        relation="fine_tuned_models",
        column="deployed_at",
        words="A model was deployed:",
        state="deployed",
        page="models_registry:detail",
    ),
)

# What says who a user is.
PERSON = ("first_name", "last_name", "email")


def recent_activity(organization: Organization, *, limit: int) -> list[Activity]:
    """The last `limit` things that happened to datasets, jobs and models, newest first; one query."""
    first, *others = (_newest(organization, number, limit) for number in range(len(KINDS)))
    return [_activity(row) for row in first.union(*others, all=True).order_by("-at", "-pk")[:limit]]


def _newest(organization: Organization, number: int, limit: int) -> QuerySet[Any, dict[str, Any]]:
    kind = KINDS[number]
    rows = getattr(organization, kind.relation).filter(**{f"{kind.column}__isnull": False})
    newest: QuerySet[Any, dict[str, Any]] = rows.order_by(f"-{kind.column}", "-id").values(
        "pk",
        "name",
        *(f"created_by__{column}" for column in PERSON),
        at=F(kind.column),
        state=F("status"),
        kind=Value(number),
    )
    return newest[:limit]


def _activity(row: dict[str, Any]) -> Activity:
    kind = KINDS[row["kind"]]
    return Activity(
        at=row["at"],
        state=kind.state or row["state"],
        words=kind.words.format(actor=_name_of({column: row[f"created_by__{column}"] for column in PERSON})),
        name=row["name"],
        page=kind.page,
        row_id=row["pk"],
    )


def _name_of(person: dict[str, str | None]) -> str:
    return User(**person).display_name if person["email"] is not None else "A former member"
