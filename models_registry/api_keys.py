"""Issuing keys of the gateway."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils import timezone

from finetuning import audit
from finetuning.models import Organization, User, Workspace
from models_registry.models import Agent, ApiKey


@transaction.atomic
def issue_key(
    organization: Organization,
    *,
    by: User,
    agents: Collection[Agent] = (),
    workspaces: Collection[Workspace] = (),
    **columns: Any,
) -> tuple[ApiKey, str]:
    """A new key as its row and in clear, for `agents` and `workspaces`, or for all when none are given.

    The clear text cannot be had again.
    """
    key, clear = organization.api_keys.issue(created_by=by, **columns)
    key.agents.set(agents)
    key.workspaces.set(workspaces)
    scopes = {
        "agents": [agent.name for agent in agents],
        "workspaces": [workspace.name for workspace in workspaces],
    }
    limited = {name: names for name, names in scopes.items() if names}
    audit.record("api_key.issued", key, before={}, by=by, details=limited)
    return key, clear


def revoke_key(key: ApiKey) -> None:
    """Refuse it from now on. Revoking again changes nothing."""
    with audit.changing(key, "api_key.revoked"):
        key.revoke(now=timezone.now())
