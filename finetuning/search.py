"""Finding rows of an organization by name and id: starts at its relations, so it knows none of the apps."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import CharField, F, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast

from finetuning.models import Organization

# A name has no index of its own: so many of the newest rows of each kind are looked through.
SEARCHED = 2_000
EVER = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_ID = re.compile(r"[0-9a-f-]{4,36}")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A sort of row. The first of `columns` is what it is called; `page` the name of its page."""

    label: str
    relation: str
    columns: tuple[str, ...]
    page: str
    icon: str


KINDS = (
    Kind(label="Dataset", relation="datasets", columns=("name",), page="datasets:detail", icon="database"),
    Kind(
        label="Job", relation="jobs", columns=("name", "provider_job_id"), page="jobs:detail", icon="activity"
    ),
    Kind(
        label="Model",
        relation="fine_tuned_models",
        columns=("name", "provider_model_id"),
        page="models_registry:detail",
        icon="cube",
    ),
    Kind(label="Agent", relation="agents", columns=("name",), page="agents:detail", icon="messages"),
    Kind(
        label="Conversation",
        relation="conversations",
        columns=("external_id",),
        page="conversations:detail",
        icon="messages",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A row that was found. Its name is empty where it has none."""

    kind: Kind
    name: str
    row_id: UUID
    created_at: datetime


def find_rows(organization: Organization, text: str, *, limit: int) -> list[Hit]:
    """Rows whose id is or ends with `text`, or whose name has it, at most `limit` of a kind; two queries.

    Kind by kind, the newest first. A whole id is found among all rows, the rest among the 2,000 newest of
    each kind.
    """
    text = text.replace("\0", "").strip()
    if not text:
        return []
    first, *others = (
        found
        for kind, since in zip(KINDS, _since(organization), strict=True)
        for found in _in_kind(_rows(organization, kind), kind, text, since=since, limit=limit)
    )
    return [
        Hit(kind=KINDS[row["kind"]], name=row["title"] or "", row_id=row["pk"], created_at=row["created_at"])
        for row in first.union(*others).order_by("kind", "-created_at", "-pk")
    ]


def _rows(organization: Organization, kind: Kind) -> QuerySet[Any]:
    rows: QuerySet[Any] = getattr(organization, kind.relation).order_by("-created_at", "-id")
    return rows


def _since(organization: Organization) -> Iterable[datetime]:
    """Of each kind, when the newest row that is not looked through was made.

    Asked for beforehand: within the search the database would not know how few are younger, and read all.
    """
    moments = [
        Subquery(_rows(organization, kind).values("created_at")[SEARCHED : SEARCHED + 1]) for kind in KINDS
    ]
    found = Organization.objects.filter(pk=organization.pk).values_list(*moments)
    return [moment or EVER for moment in found.get()]


def _in_kind(
    rows: QuerySet[Any], kind: Kind, text: str, *, since: datetime, limit: int
) -> Iterable[QuerySet[Any, dict[str, Any]]]:
    shown = {"title": F(kind.columns[0]), "kind": Value(KINDS.index(kind))}
    recent = rows.alias(id_text=Cast("id", CharField())).filter(_wanted(kind, text), created_at__gt=since)
    yield recent.values("pk", "created_at", **shown)[:limit]
    with suppress(ValueError):
        yield rows.filter(pk=UUID(text)).values("pk", "created_at", **shown)


def _wanted(kind: Kind, text: str) -> Q:
    wanted = Q()
    for column in kind.columns:
        wanted |= Q(**{f"{column}__icontains": text})
    if END_OF_ID.fullmatch(text.lower()):
        wanted |= Q(id_text__endswith=text.lower())
    return wanted


@dataclass(frozen=True, kw_only=True)
class Command:
    """A page to go to. `changes` keeps it from those who may only look."""

    label: str
    page: str
    icon: str
    changes: bool = False


COMMANDS = (
    Command(label="Upload a dataset", page="datasets:new", icon="upload", changes=True),
    Command(label="Start a job", page="jobs:new", icon="rocket", changes=True),
    Command(label="Import conversations", page="conversations:import", icon="cloud-upload", changes=True),
    Command(label="Dashboard", page="finetuning:dashboard", icon="layout-dashboard"),
    Command(label="Datasets", page="datasets:list", icon="database"),
    Command(label="Conversations", page="conversations:list", icon="messages"),
    Command(label="Jobs", page="jobs:list", icon="activity"),
    Command(label="Costs of jobs", page="jobs:costs", icon="coin"),
    Command(label="Models", page="models_registry:list", icon="cube"),
    Command(label="Agents", page="agents:list", icon="messages"),
    Command(label="Playground", page="playground:show", icon="player-play"),
    Command(label="API keys", page="keys:list", icon="terminal-2"),
    Command(label="Settings of the organization", page="settings:organization", icon="settings"),
    Command(label="Members", page="members:list", icon="user"),
    Command(label="Provider accounts", page="provider_accounts:list", icon="building"),
    Command(label="Webhooks", page="webhooks:list", icon="send"),
    Command(label="Your profile", page="settings:profile", icon="user"),
    Command(label="API docs", page="api-docs", icon="code"),
)


def find_commands(text: str, *, may_change: bool) -> list[Command]:
    """Commands in whose label each word of `text` is; all of them for no text."""
    words = text.lower().split()
    return [
        command
        for command in COMMANDS
        if (may_change or not command.changes) and all(word in command.label.lower() for word in words)
    ]
