"""The dashboard, and choosing the organization to work in."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from finetuning.activity import recent_activity
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


@require_safe
@members_only
def list_organizations(request: OrganizationRequest) -> HttpResponse:
    """All organizations of the user, to change from one to another."""
    memberships = request.user.memberships.select_related("organization").order_by("organization__name", "id")
    return render(request, "finetuning/organizations.html", {"memberships": list(memberships)})


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
