"""What a role may do through the API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from finetuning.models import Role
from finetuning.tenancy import Suspended

if TYPE_CHECKING:
    # rest_framework.views loads this module by its setting, before it is whole itself.
    from rest_framework.views import APIView


class RolePermission(BasePermission):
    """A viewer reads, a member changes. What takes another role is declared on the viewset.

    `role_to_change` holds for all its changes: webhooks, for one, are managed by admins. `action_roles` holds
    for single actions: `{"destroy": Role.OWNER}`. Every POST counts as a change, also one that only
    calculates: the web pages do the same.
    """

    code = "role_too_low"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        membership = getattr(request, "membership", None)
        if not (request.user and request.user.is_authenticated and membership):
            return False
        if membership.organization.is_suspended:
            raise Suspended(membership.organization.suspension)
        needed = _needed_role(request, view)
        self.message = needed.refusal
        allowed: bool = membership.has_at_least(needed)
        return allowed


def _needed_role(request: Request, view: "APIView") -> Role:
    role: Role = Role.VIEWER
    if request.method not in SAFE_METHODS:
        role = getattr(view, "role_to_change", Role.MEMBER)
    roles: dict[str, Role] = getattr(view, "action_roles", {})
    return roles.get(getattr(view, "action", None) or "", role)
