"""What happened lately in an organization: starts at its relations, so it knows none of the apps."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

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


def recent_activity(organization: Organization, *, limit: int) -> list[Activity]:
    """The last `limit` things that happened to datasets, jobs and models, newest first."""
    found = [activity for kind in KINDS for activity in _newest(organization, kind, limit)]
    return sorted(found, key=attrgetter("at"), reverse=True)[:limit]


def _newest(organization: Organization, kind: Kind, limit: int) -> list[Activity]:
    rows = getattr(organization, kind.relation).filter(**{f"{kind.column}__isnull": False})
    newest = rows.select_related("created_by").order_by(f"-{kind.column}", "-id")[:limit]
    return [
        Activity(
            at=getattr(row, kind.column),
            state=kind.state or row.status,
            words=kind.words.format(actor=_name_of(row.created_by)),
            name=row.name,
            page=kind.page,
            row_id=row.pk,
        )
        for row in newest
    ]


def _name_of(user: User | None) -> str:
    return user.display_name if user else "A former member"
