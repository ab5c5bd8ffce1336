"""The dashboard, and choosing the organization to work in."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from finetuning.activity import recent_activity
from finetuning.errors import Refused
from finetuning.models import User
from finetuning.organizations import services
from finetuning.organizations.forms import NameForm
from finetuning.tenancy import SESSION_KEY, OrganizationRequest, members_only, set_organization

SHOWN_ACTIVITIES = 10


@require_safe
@members_only
def dashboard(request: OrganizationRequest) -> HttpResponse:
    """The numbers of the organization, the three ways to go on, and what happened lately."""
    organization = request.organization
    context = {
        "datasets": organization.datasets.totals(),
        "jobs": organization.jobs.totals(),
        "models": organization.fine_tuned_models.totals(),
        "activities": recent_activity(organization, limit=SHOWN_ACTIVITIES),
    }
    return render(request, "finetuning/dashboard.html", context)


# Somebody who belongs to no organization can create one here.
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def list_organizations(request: HttpRequest) -> HttpResponse:
    """All organizations of the user, to change from one to another; a POST creates one more."""
    user = cast(User, request.user)
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            organization = services.add_organization(by=user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.message)
        else:
            return switch_organization(request, organization.pk)
    memberships = user.memberships.select_related("organization").order_by("organization__name", "id")
    context = {"memberships": list(memberships), "form": form}
    return render(request, "finetuning/organizations.html", context, status=422 if form.errors else 200)


# Changing over writes no row of any organization, so a viewer may.
@require_POST
@login_required
def switch_organization(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Work in another of the user's organizations until signing out, or changing again."""
    membership = set_organization(request, request.user, str(organization_id))  # type: ignore[arg-type]
    if membership is None:
        raise Http404
    request.session[SESSION_KEY] = str(organization_id)
    messages.success(request, f"You are now working in {membership.organization.name}.")
    return redirect("finetuning:dashboard")
