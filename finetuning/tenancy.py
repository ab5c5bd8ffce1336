"""Whose request is it. `set_membership` is the one place that sets `request.organization`."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from finetuning.errors import Forbidden
from finetuning.log_context import note
from finetuning.models import Membership, Organization, Role, User

SESSION_KEY = "organization_id"
NO_MEMBER = "You belong to no organization. Ask an admin to invite you, or create one at /organizations."

P = ParamSpec("P")


class Suspended(Forbidden):
    code = "organization_suspended"


class OrganizationRequest(HttpRequest):
    """A request of a member: what page views get. For type checkers; Django makes the object."""

    user: User
    membership: Membership
    organization: Organization


def set_membership(request: HttpRequest, membership: Membership | None) -> None:
    """Set `request.membership` and `request.organization`, both to None without a membership."""
    if membership:
        note(organization_id=membership.organization_id)
    request.membership = membership  # type: ignore[attr-defined]
    request.organization = membership.organization if membership else None  # type: ignore[attr-defined]


def set_organization(request: HttpRequest, user: User, organization_id: str | None) -> Membership | None:
    """Set `request.membership` and `request.organization` if `user` belongs to that organization.

    `organization_id` comes from the session; without one, the oldest membership counts. Returns None, and
    sets both to None, when there is no such membership.
    """
    memberships = user.memberships.select_related("organization").order_by("created_at", "id")
    if organization_id is not None:
        memberships = memberships.filter(organization_id=organization_id)
    membership = memberships.first() if user.is_active else None
    set_membership(request, membership)
    return membership


class OrganizationMiddleware:
    """Gives every page its organization: the one chosen in the session, else the oldest membership."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            chosen = request.session.get(SESSION_KEY)
            if set_organization(request, request.user, chosen) is None and chosen is not None:
                set_organization(request, request.user, None)
        return self.get_response(request)


def _changes_take(
    role: Role,
) -> Callable[
    [Callable[Concatenate[OrganizationRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """A decorator for pages of members: every member may look, a POST takes at least `role`.

    The page may read `request.organization`. It raises PermissionDenied for a user without an organization,
    in a suspended one, and for one whose role is too low.
    """

    def decorate(
        view: Callable[Concatenate[OrganizationRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @login_required
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            membership = cast("Membership | None", getattr(request, "membership", None))
            if membership is None:
                raise PermissionDenied(NO_MEMBER)
            if membership.organization.is_suspended:
                raise PermissionDenied(membership.organization.suspension)
            if request.method not in ("GET", "HEAD") and not membership.has_at_least(role):
                raise PermissionDenied(role.refusal)
            return view(cast(OrganizationRequest, request), *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


# For a POST whose service itself decides by role, such as leaving.
service_decides = _changes_take(Role.VIEWER)
# For a POST that is one only because what it takes is too long for an address.
changes_nothing = _changes_take(Role.VIEWER)
members_only = _changes_take(Role.MEMBER)
admins_manage = _changes_take(Role.ADMIN)
owners_delete = _changes_take(Role.OWNER)
