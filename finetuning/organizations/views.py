"""Settings > Organization, Workspaces and Profile."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from finetuning.errors import Refused
from finetuning.models import Workspace
from finetuning.organizations import services
from finetuning.organizations.forms import (
    DeleteForm,
    EndSessionForm,
    EndSignInForm,
    NameForm,
    PasswordForm,
    ProfileForm,
    SpendingForm,
)
from finetuning.passwords import services as passwords
from finetuning.second_factor import services as second_factor
from finetuning.second_factor.forms import RemoveForm
from finetuning.tenancy import OrganizationRequest, admins_manage, owners_delete, service_decides

SHOWN_SIGN_INS = 20


@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def show_organization(request: OrganizationRequest) -> HttpResponse:
    """Name and id; a POST renames it."""
    organization = request.organization
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": organization.name})
    if form.is_valid():
        services.update_organization(organization, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("settings:organization")
    return _show(request, form=form)


def _show(
    request: OrganizationRequest,
    *,
    form: NameForm | None = None,
    spending_form: SpendingForm | None = None,
    delete_form: DeleteForm | None = None,
) -> HttpResponse:
    organization = request.organization
    month = organization.usage_days.since(timezone.now().date().replace(day=1))
    spent = month.spent()
    cap = {"monthly_cap_usd": organization.monthly_cap_usd}
    context = {
        "form": form or NameForm(initial={"name": organization.name}),
        "spending_form": spending_form or SpendingForm(initial=cap),
        "delete_form": delete_form or DeleteForm(auto_id="delete_%s"),
        "spent_usd": spent,
        "unpriced_tokens": month.unpriced_tokens(),
        "spent_percent": int(100 * spent / organization.monthly_cap_usd)
        if organization.monthly_cap_usd
        else None,
    }
    refused = any(given is not None and given.errors for given in (form, spending_form, delete_form))
    return render(request, "finetuning/organization.html", context, status=422 if refused else 200)


@require_POST
@admins_manage
def cap_spending(request: OrganizationRequest) -> HttpResponse:
    form = SpendingForm(request.POST)
    if not form.is_valid():
        return _show(request, spending_form=form)
    services.update_organization(request.organization, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("settings:organization")


@require_POST
@owners_delete
def delete_organization(request: OrganizationRequest) -> HttpResponse:
    organization = request.organization
    form = DeleteForm(request.POST, auto_id="delete_%s")
    if form.is_valid():
        try:
            services.delete_organization(organization, by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error("name", refusal.message)
        else:
            messages.success(request, f"{organization.name} was deleted. Operators can bring it back.")
            return redirect("finetuning:organizations")
    return _show(request, delete_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def list_workspaces(request: OrganizationRequest) -> HttpResponse:
    """All workspaces; a POST adds one."""
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            workspace = services.create_workspace(request.organization, **form.cleaned_data)
        except Refused as refusal:
            form.add_error("name", refusal.message)
        else:
            messages.success(request, f"The workspace {workspace.name} was added.")
            return redirect("settings:workspaces")
    workspaces = request.organization.workspaces.order_by("name", "id")
    context = {"form": form, "workspaces": list(workspaces)}
    return render(request, "finetuning/workspaces.html", context, status=422 if form.errors else 200)


def _workspace(request: OrganizationRequest, workspace_id: UUID) -> Workspace:
    workspaces = request.organization.workspaces.select_related("organization")
    return get_object_or_404(workspaces, pk=workspace_id)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_manage
def rename_workspace(request: OrganizationRequest, workspace_id: UUID) -> HttpResponse:
    workspace = _workspace(request, workspace_id)
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": workspace.name})
    if form.is_valid():
        try:
            services.rename_workspace(workspace, **form.cleaned_data)
        except Refused as refusal:
            form.add_error("name", refusal.message)
        else:
            messages.success(request, "Saved.")
            return redirect("settings:workspaces")
    context = {"form": form, "workspace": _workspace(request, workspace_id)}
    return render(request, "finetuning/workspace.html", context, status=422 if form.errors else 200)


@require_POST
@admins_manage
def delete_workspace(request: OrganizationRequest, workspace_id: UUID) -> HttpResponse:
    workspace = _workspace(request, workspace_id)
    try:
        services.delete_workspace(workspace)
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"The workspace {workspace.name} was deleted.")
    return redirect("settings:workspaces")


# One's own name and password belong to no organization, so a viewer may change them.
@require_http_methods(["GET", "HEAD", "POST"])
@service_decides
def show_profile(request: OrganizationRequest) -> HttpResponse:
    user = request.user
    form = ProfileForm(
        request.POST if request.method == "POST" else None, initial={"name": user.get_full_name()}
    )
    if form.is_valid():
        services.rename_user(user, name=form.cleaned_data["name"])
        messages.success(request, "Saved.")
        return redirect("settings:profile")
    return _show_profile(request, form=form)


def _show_profile(
    request: OrganizationRequest,
    *,
    form: ProfileForm | None = None,
    password_form: PasswordForm | None = None,
    remove_form: RemoveForm | None = None,
) -> HttpResponse:
    user, now = request.user, timezone.now()
    sign_ins, sessions = user.sign_ins(now), user.page_sessions.living(now)
    context = {
        "form": form or ProfileForm(initial={"name": user.get_full_name()}),
        "password_form": password_form or PasswordForm(user),
        "remove_form": remove_form or RemoveForm(),
        "factor": user.confirmed_factor,
        "sessions": list(sessions.order_by("-began_at", "-id")[:SHOWN_SIGN_INS]),
        "session_count": sessions.count(),
        "sign_ins": list(sign_ins.with_organization().order_by("-last_used_at", "-id")[:SHOWN_SIGN_INS]),
        "sign_in_count": sign_ins.count(),
    }
    refused = any(given is not None and given.errors for given in (form, password_form, remove_form))
    return render(request, "finetuning/profile.html", context, status=422 if refused else 200)


# A sign-in is the user's own, so a viewer may end theirs.
@require_POST
@service_decides
def end_sign_in(request: OrganizationRequest) -> HttpResponse:
    """End one of the user's sign-ins to the API, in whatever organization."""
    form = EndSignInForm(request.POST)
    sign_ins = request.user.sign_ins(timezone.now()).with_organization()
    found = sign_ins.filter(pk=form.cleaned_data["sign_in"]).first() if form.is_valid() else None
    if found is None:
        messages.error(request, "This sign-in has ended already.")
    else:
        services.end_sign_in(found, by=request.user)
        messages.success(request, "The sign-in has ended. Its tokens are refused from now on.")
    return redirect("settings:profile")


# So are sessions and second factor.
@require_POST
@service_decides
def end_session(request: OrganizationRequest) -> HttpResponse:
    """End another of the user's sessions of the pages; this one ends by signing out."""
    form = EndSessionForm(request.POST)
    others = request.user.page_sessions.exclude(session=request.session.session_key).select_related("user")
    found = others.filter(pk=form.cleaned_data["session"]).first() if form.is_valid() else None
    if found is not None and services.end_session(found):
        messages.success(request, "The session has ended. Its browser is asked to sign in again.")
    else:
        messages.error(request, "This session has ended already.")
    return redirect("settings:profile")


@require_POST
@service_decides
def end_other_sessions(request: OrganizationRequest) -> HttpResponse:
    """End all of the user's sessions of the pages but this one."""
    services.end_other_sessions(request.user, kept=request.session.session_key)
    messages.success(request, "You are signed in to the pages in this browser only.")
    return redirect("settings:profile")


@sensitive_post_parameters("code")
@require_POST
@service_decides
def remove_second_factor(request: OrganizationRequest) -> HttpResponse:
    """Take the user's own second factor away. All other sign-ins end; this session goes on."""
    factor, form = request.user.confirmed_factor, RemoveForm(request.POST)
    if factor is None:
        messages.error(request, "There is no second factor.")
        return redirect("settings:profile")
    if form.is_valid():
        try:
            second_factor.remove_factor(request, factor, code=form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal.message)
        else:
            messages.success(request, "Your second factor is removed. You are signed out everywhere else.")
            return redirect("settings:profile")
    return _show_profile(request, remove_form=form)


@sensitive_post_parameters()
@require_POST
@service_decides
def change_password(request: OrganizationRequest) -> HttpResponse:
    """Another password. All other sessions and all tokens of the user end; this session goes on."""
    user = request.user
    form = PasswordForm(user, request.POST)
    if form.is_valid():
        kept = request.session.session_key
        passwords.change_password(user, password=form.cleaned_data["new_password1"], kept=kept)
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is changed. You are signed out everywhere else.")
        return redirect("settings:profile")
    return _show_profile(request, password_form=form)
