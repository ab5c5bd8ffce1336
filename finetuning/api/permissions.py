"""What a role may do through the API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from finetuning.models import Role

if TYPE_CHECKING:
    # rest_framework.views loads this module by its setting, before it is whole itself.
    from rest_framework.views import APIView


class RolePermission(BasePermission):
    """A viewer reads; changing, deleting a dataset or a model included, takes a member.

    Admins manage members and provider accounts, and only an owner deletes the organization; none of that is
    in the API. Every POST counts as a change, also one that only calculates: the web pages do the same.
    """

    message = "Viewers can look but not change. Ask an administrator for another role."
    code = "role_too_low"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        membership = getattr(request, "membership", None)
        needed = Role.VIEWER if request.method in SAFE_METHODS else Role.MEMBER
        return bool(
            request.user and request.user.is_authenticated and membership
        ) and membership.has_at_least(needed)
