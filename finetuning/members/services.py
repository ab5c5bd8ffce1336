"""Changing who belongs to an organization, and in what role.

Every change locks the organization and looks again at the role of the one who makes it: two owners who
demote each other at the same moment do not leave it without an owner.
"""

from django.db import transaction

from finetuning import audit
from finetuning.errors import Conflict, Forbidden, NotFound
from finetuning.models import Membership, Organization, Role


class RoleTooLow(Forbidden):
    code = "role_too_low"


class NoSuchMember(NotFound):
    code = "not_found"


class LastOwner(Conflict):
    code = "last_owner"


def change_member_role(membership: Membership, *, by: Membership, role: Role) -> Membership:
    """Give the member another role. Without effect when it is the present one.

    Raises RoleTooLow when `by` may not: admins neither make nor unmake owners, and nobody raises their own
    role. Raises LastOwner when no owner would be left.
    """
    with transaction.atomic():
        _lock(membership, by)
        check_may_manage(by)
        _check_owners_business(membership.role, role, by=by)
        if role != Role.OWNER:
            _check_not_last_owner(membership)
        if role != membership.role:
            with audit.changing(membership, "member.role_changed"):
                membership.change_role(role)
    return membership


def remove_member(membership: Membership, *, by: Membership) -> None:
    """End the membership, at once; whoever ends their own leaves. What the person made stays.

    Raises RoleTooLow when `by` may not, LastOwner when no owner would be left.
    """
    with transaction.atomic():
        _lock(membership, by)
        if membership.pk != by.pk:
            check_may_manage(by)
            _check_owners_business(membership.role, by=by)
        _check_not_last_owner(membership)
        audit.record("member.removed", membership, details={"role": membership.role})
        membership.delete()


def _lock(membership: Membership, by: Membership) -> None:
    """Take the organization's lock, and read both memberships as they are now."""
    membership.organization.lock()
    try:
        membership.refresh_from_db(fields=["role"])
        by.refresh_from_db(fields=["role"])
    except Membership.DoesNotExist as error:
        raise NoSuchMember("There is no such member any more.") from error


def check_may_manage(by: Membership) -> None:
    """Raise RoleTooLow for a member who is no admin any more."""
    if not by.may_manage:
        raise RoleTooLow(Role.ADMIN.refusal)


def _check_owners_business(*roles: str, by: Membership) -> None:
    if Role.OWNER in roles and not by.may_delete:
        raise RoleTooLow("Only an owner makes or unmakes owners.", pointer="/role")


def _check_not_last_owner(membership: Membership) -> None:
    owners = membership.organization.memberships.filter(role=Role.OWNER, user__is_active=True)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise LastOwner("An organization keeps at least one owner. Make another member an owner first.")


def roles_to_give(membership: Membership, *, by: Membership) -> list[Role]:
    """The roles that `by` may give the member; none when the member is not theirs to change."""
    is_own_business = by.may_delete or membership.role != Role.OWNER
    if not by.may_manage or not is_own_business:
        return []
    return [role for role in Role if by.has_at_least(role)]


def roles_to_invite(by: Membership) -> list[Role]:
    """The roles into which `by` may invite."""
    return [role for role in Role if by.may_manage and by.has_at_least(role)]


def members_of(organization: Organization) -> "list[Membership]":
    """All members with their users, who has the most to say first."""
    members = organization.memberships.select_related("user")
    return sorted(members, key=lambda member: (-Role(member.role).rank, member.user.email))
