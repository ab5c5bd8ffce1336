"""The one way into the audit: `record`, in the transaction of the change. See docs/decisions/0009-audit.md.

A model says in `audited` which of its columns may be kept, so that a secret or a line of training data gets
here by no oversight. Who asks, and from where, is known from the request that is being answered.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.http import HttpRequest

from finetuning.clients import client_address
from finetuning.models import AuditEntry, Organization, User

# Enough to see what was changed. A description may be as long as a book.
MAX_TEXT = 500
Snapshot = Mapping[str, Any]

_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


@contextmanager
def on_behalf_of(request: HttpRequest) -> Iterator[None]:
    """What is recorded inside was asked for by this request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def asking_request() -> HttpRequest | None:
    """The request that is being answered; None in tasks and commands."""
    return _request.get()


def snapshot(row: models.Model) -> dict[str, Any]:
    """The audited columns of the row as they stand in memory, in JSON's types."""
    return _plain({name: getattr(row, name) for name in _audited(row)})


@contextmanager
def changing(row: models.Model, action: str) -> Iterator[None]:
    """One transaction for a change of `row` and its entry; nothing is recorded when no column changed."""
    with transaction.atomic():
        before = _stored(row)
        yield
        after = _stored(row)
        if after != before:
            _add(action, row, _difference(before, after))


def _stored(row: models.Model) -> dict[str, Any]:
    """As the database has it: colleagues and guarded updates leave what is in memory behind."""
    return _plain(row._meta.base_manager.values(*_audited(row)).get(pk=row.pk))


def record(
    action: str,
    row: models.Model,
    *,
    before: Snapshot | None = None,
    by: User | None = None,
    details: Snapshot | None = None,
) -> None:
    """Note that `action` was done to `row`, where that belongs in the transaction of the caller.

    `before` is a `snapshot`, empty for a new row; without it no columns are compared. `details` tell more,
    never a secret. `by` is who did it where that is not who asks: while signing in. What is done to a user
    is noted in each of the user's organizations.
    """
    changes = {name: [None, value] for name, value in _plain(details or {}).items()}
    if before is not None:
        changes = _difference(before, snapshot(row)) | changes
    _add(action, row, changes, by=by)


def _add(action: str, row: models.Model, changes: Snapshot, *, by: User | None = None) -> None:
    request = _request.get()
    actor = by or _asking(request)
    address = client_address(request)
    columns = {
        "actor": actor,
        "actor_name": actor.email if actor else "",
        "action": action,
        "target_type": row._meta.model_name,
        "target_id": str(row.pk),
        "target_name": str(row)[:300],
        "changes": changes,
        "address": str(address) if address else None,
        "request_id": getattr(request, "request_id", ""),
    }
    AuditEntry.objects.bulk_create(
        AuditEntry(organization_id=organization_id, **columns) for organization_id in _organizations(row)
    )


def _difference(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """The fields that differ; what a new row leaves empty is no difference."""
    return {
        name: [before.get(name), value]
        for name, value in after.items()
        if before.get(name) != value and (before or value not in (None, "", [], {}))
    }


def _audited(row: models.Model) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(row, "audited", ())
    return names


def _plain(columns: Snapshot) -> dict[str, Any]:
    """In JSON's types, long texts cut."""
    plain: dict[str, Any] = json.loads(json.dumps(columns, cls=DjangoJSONEncoder))
    return {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in plain.items()}


def _asking(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _organizations(row: models.Model) -> list[UUID | None]:
    if isinstance(row, Organization):
        return [row.pk]
    if isinstance(row, User):
        return list(row.organizations.order_by("pk").values_list("pk", flat=True)) or [None]
    return [getattr(row, "organization_id", None)]
