"""Settings > Members, and the page on which an invitation is accepted."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.errors import Forbidden, Refused
from finetuning.members import invitations, services
from finetuning.members.forms import InviteForm, NewAccountForm, RoleForm
from finetuning.models import Invitation, Membership, Role
from finetuning.tenancy import SESSION_KEY, OrganizationRequest, admins_manage, service_decides


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def list_members(request: OrganizationRequest) -> HttpResponse:
    """Members and open invitations. A POST invites, and answers with the link, this once."""
    roles = services.roles_to_invite(request.membership)
    form = InviteForm(request.POST if request.method == "POST" else None, roles=roles)
    link = None
    if form.is_valid():
        try:
            _, link = invitations.invite_member(
                request.organization,
                by=request.membership,
                email=form.cleaned_data["email"],
                role=Role(form.cleaned_data["role"]),
                page=invitations.accept_page(request),
            )
        except Refused as refusal:
            form.add_error(refusal.pointer.lstrip("/") or None, refusal.message)
    return _list(request, form, link=link)


def _list(request: OrganizationRequest, form: InviteForm, *, link: str | None) -> HttpResponse:
    by = request.membership
    members = services.members_of(request.organization)
    open_invitations = request.organization.invitations.open().select_related("created_by")
    context = {
        "members": [(member, services.roles_to_give(member, by=by)) for member in members],
        "invitations": list(open_invitations.order_by("-created_at", "-id")),
        "form": InviteForm(roles=services.roles_to_invite(by)) if link else form,
        "link": link,
        "invited": form.cleaned_data["email"] if link else "",
    }
    return render(request, "finetuning/members.html", context, status=422 if form.errors else 200)


def _member(request: OrganizationRequest, user_id: UUID) -> Membership:
    members = request.organization.memberships.select_related("user", "organization")
    return get_object_or_404(members, user_id=user_id)


@require_POST
@admins_manage
def change_role(request: OrganizationRequest, user_id: UUID) -> HttpResponse:
    member = _member(request, user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles.")
        return redirect("members:list")
    try:
        services.change_member_role(member, by=request.membership, role=Role(form.cleaned_data["role"]))
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{member.user.display_name} has the role {member.role} now.")
    return redirect("members:list")


@require_POST
@service_decides
def remove_member(request: OrganizationRequest, user_id: UUID) -> HttpResponse:
    """Remove a member; with one's own id, leave."""
    member = _member(request, user_id)
    leaves = member.pk == request.membership.pk
    try:
        services.remove_member(member, by=request.membership)
    except Forbidden as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("members:list")
    if leaves:
        messages.success(request, f"You have left {request.organization.name}.")
        return redirect("finetuning:organizations")
    messages.success(request, f"{member.user.display_name} was removed and has no access any more.")
    return redirect("members:list")


@require_POST
@admins_manage
def revoke_invitation(request: OrganizationRequest, invitation_id: UUID) -> HttpResponse:
    invitation = get_object_or_404(request.organization.invitations.open(), pk=invitation_id)
    invitations.revoke_invitation(invitation)
    messages.success(request, f"The invitation of {invitation.email} is revoked.")
    return redirect("members:list")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join: as who is signed in, or with a new account. Somebody with an account is sent to sign in first."""
    try:
        invitation = invitations.find_invitation(token)
    except Refused as refusal:
        return render(request, "finetuning/invitation.html", {"refusal": refusal.message}, status=404)
    if request.user.is_authenticated or invitations.find_invited_user(invitation):
        return _accept_as_user(request, invitation)
    return _accept_as_new(request, invitation)


def _accept_as_user(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    context: dict[str, object] = {
        "invitation": invitation,
        "needs_sign_in": not request.user.is_authenticated,
    }
    if request.method == "POST" and request.user.is_authenticated:
        try:
            membership = invitations.accept_invitation(invitation, user=request.user)
        except Refused as refusal:
            return render(
                request, "finetuning/invitation.html", context | {"error": refusal.message}, status=422
            )
        return _enter(request, membership)
    return render(request, "finetuning/invitation.html", context)


def _accept_as_new(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            membership = invitations.accept_as_new_user(invitation, **form.cleaned_data)
        except Refused as refusal:
            form.add_error("password" if refusal.pointer == "/password" else None, refusal.message)
        else:
            login(request, membership.user)
            return _enter(request, membership)
    context = {"invitation": invitation, "form": form}
    return render(request, "finetuning/invitation.html", context, status=422 if form.errors else 200)


def _enter(request: HttpRequest, membership: Membership) -> HttpResponse:
    request.session[SESSION_KEY] = str(membership.organization_id)
    messages.success(request, f"Welcome to {membership.organization.name}.")
    return redirect("finetuning:dashboard")
