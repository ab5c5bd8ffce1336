"""The dashboard, and choosing the organization to work in."""

from datetime import datetime
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from finetuning.activity import recent_activity
from finetuning.attention import concerns, retiring
from finetuning.errors import Refused
from finetuning.models import Organization, Role, User
from finetuning.organizations import services
from finetuning.organizations.forms import NameForm
from finetuning.search import SEARCHED, find_commands, find_rows
from finetuning.sign_in import record_sign_out
from finetuning.tenancy import SESSION_KEY, OrganizationRequest, members_only, set_organization
from finetuning.trends import daily_counts

SHOWN_ACTIVITIES = 10
SHOWN_CONCERNS = 5
SHOWN_HITS = 8
SEARCH_LENGTH = 200


@require_safe
@members_only
def dashboard(request: OrganizationRequest) -> HttpResponse:
    """The numbers of the organization, the three ways to go on, and what happened lately."""
    organization, now = request.organization, timezone.now()
    models = organization.fine_tuned_models.totals()
    context = {
        "datasets": organization.datasets.totals(),
        "jobs": organization.jobs.totals(),
        "models": models,
        "trends": _trends(organization, now),
        "concerns": concerns(organization, now=now, limit=SHOWN_CONCERNS),
        "retiring": _retiring(organization, models["by_base_model"], now),
        "activities": recent_activity(organization, limit=SHOWN_ACTIVITIES),
    }
    return render(request, "finetuning/dashboard.html", context)


@require_safe
@members_only
def search(request: OrganizationRequest) -> HttpResponse:
    """Rows and pages that `?q=` finds: a page of links, or for the palette's script the options alone."""
    text = request.GET.get("q", "")[:SEARCH_LENGTH]
    context = {
        "q": text,
        "hits": find_rows(request.organization, text, limit=SHOWN_HITS),
        "commands": find_commands(text, may_change=request.membership.role != Role.VIEWER),
        "searched": SEARCHED,
    }
    template = "finetuning/_options.html" if request.htmx else "finetuning/search.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _trends(organization: Organization, now: datetime) -> dict[str, list[int]]:
    made = {
        "datasets": organization.datasets.newest(),
        "jobs": organization.jobs.all(),
        "models": organization.fine_tuned_models.all(),
    }
    return daily_counts(made, now=now)


def _retiring(organization: Organization, counts: dict[str, int], now: datetime) -> list[dict[str, object]]:
    """Base models that retire soon, each with how many of the organization's models come from it."""
    found = retiring(organization, base_models=counts, day=now.date())
    return [
        {"base_model": base, "on": day, "models": counts[base], "is_over": day <= now.date()}
        for base, day in found.items()
    ]


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


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session; others of the user, and tokens of the API, go on."""
    record_sign_out(request)
    logout(request)
    return redirect("login")


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
