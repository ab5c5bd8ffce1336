"""Making, renaming and deleting organizations and workspaces."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, PageSession, Role, TokenFamily, User, Workspace
from finetuning.services import create_organization

# Each organization has limits of its own, so nobody may have any number of them.
MAX_OWNED_ORGANIZATIONS = 10


class TooManyOrganizations(Conflict):
    code = "too_many_organizations"


class NotConfirmed(Invalid):
    code = "not_confirmed"


class WorkspaceNameTaken(Conflict):
    code = "workspace_name_taken"


class WorkspaceInUse(Conflict):
    code = "workspace_in_use"


@transaction.atomic
def add_organization(*, name: str, by: User) -> Organization:
    """One more organization, owned by `by`. Raises TooManyOrganizations."""
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if by.memberships.filter(role=Role.OWNER).count() >= MAX_OWNED_ORGANIZATIONS:
        raise TooManyOrganizations(f"You own {MAX_OWNED_ORGANIZATIONS} organizations already.")
    return create_organization(name=name, owner=by)


def update_organization(organization: Organization, **columns: Any) -> None:
    """Change `name`, or `monthly_cap_usd`: what a month's calls may cost, None for no limit."""
    now = timezone.now()
    with audit.changing(organization, "organization.changed"):
        if "name" in columns:
            organization.rename(columns["name"], now=now)
        if "monthly_cap_usd" in columns:
            organization.cap_spending(columns["monthly_cap_usd"], now=now)


def delete_organization(organization: Organization, *, by: User, name: str) -> None:
    """Hide it from all its members at once, and cancel its jobs. Operators can restore it in the admin.

    `name` is what the owner typed. Raises NotConfirmed when it is not the organization's.
    """
    if name != organization.name:
        raise NotConfirmed("Type the name of the organization exactly as it is.", pointer="/name")
    now = timezone.now()
    with transaction.atomic():
        organization.lock()
        organization.jobs.cancel_all(by=by.display_name, now=now)
        organization.invitations.revoke(now=now)
        with audit.changing(organization, "organization.deleted"):
            organization.mark_deleted(now=now)


def restore_organization(organization: Organization) -> None:
    """Bring a deleted one back to its members. Jobs that were cancelled stay cancelled."""
    with audit.changing(organization, "organization.restored"):
        Organization.with_deleted.filter(pk=organization.pk).update(deleted_at=None)


def suspend_organization(organization: Organization) -> None:
    """Refuse its people and its keys. Runs at providers go on and are followed; no other is sent there."""
    with audit.changing(organization, "organization.suspended"):
        organization.mark_suspended(now=timezone.now())


def resume_organization(organization: Organization) -> None:
    """End the suspension. Jobs that waited for that take their next step at the next sweep."""
    now = timezone.now()
    with audit.changing(organization, "organization.resumed"):
        organization.mark_resumed(now=now)
        organization.jobs.wake(now=now)


def rename_user(user: User, *, name: str) -> None:
    """Change the whole name of a person."""
    with audit.changing(user, "user.renamed"):
        user.rename(name)


@transaction.atomic
def end_sign_in(family: TokenFamily, *, by: User) -> bool:
    """End one sign-in to the API. False: it has ended before."""
    if not TokenFamily.objects.filter(pk=family.pk).revoke(timezone.now()):
        return False
    audit.record("tokens.revoked", family.membership, by=by, details={"sign_in": family.pk})
    return True


@transaction.atomic
def end_session(session: PageSession) -> bool:
    """End one session of the pages. False: it has ended before."""
    if not PageSession.objects.filter(pk=session.pk).end():
        return False
    audit.record("user.session_ended", session.user, details={"session": session.pk})
    return True


@transaction.atomic
def end_other_sessions(user: User, *, kept: str | None) -> int:
    """End all sessions of the user but the one whose key is `kept`. Returns how many ended."""
    ended = user.page_sessions.exclude(session=kept).end()
    if ended:
        audit.record("user.other_sessions_ended", user, details={"sessions": ended})
    return ended


def create_workspace(organization: Organization, *, name: str) -> Workspace:
    """Raises WorkspaceNameTaken."""
    workspace = Workspace(organization=organization, name=name)
    with transaction.atomic():
        _save(workspace, force_insert=True)
        audit.record("workspace.created", workspace, before={})
    return workspace


def rename_workspace(workspace: Workspace, *, name: str) -> Workspace:
    """Raises WorkspaceNameTaken."""
    with audit.changing(workspace, "workspace.renamed"):
        workspace.name = name
        _save(workspace, update_fields=["name"])
    return workspace


def _save(workspace: Workspace, **how: Any) -> None:
    try:
        with transaction.atomic():
            workspace.save(**how)
    except IntegrityError as error:
        raise WorkspaceNameTaken(
            f"There is a workspace named {workspace.name} already.", pointer="/name"
        ) from error


def delete_workspace(workspace: Workspace) -> None:
    """Raises WorkspaceInUse while rows are in it, deleted ones too, or an API key is limited to it."""
    # Without its last workspace the key would be good for everything.
    if workspace.organization.api_keys.live().filter(workspaces=workspace).exists():
        raise WorkspaceInUse("An API key is limited to this workspace. Revoke the key first.")
    try:
        with transaction.atomic():
            audit.record("workspace.deleted", workspace)
            workspace.delete()
    except (ProtectedError, IntegrityError) as error:
        message = "Datasets, jobs, models or other rows are in this workspace; deleted ones count, too."
        raise WorkspaceInUse(message) from error
