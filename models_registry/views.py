"""Pages about models: the grid, and one model with its deployment, its snippets and its worth."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from finetuning.errors import Refused
from finetuning.pages import page_of
from finetuning.providers import base_url
from finetuning.providers.base import ProviderError
from finetuning.tenancy import OrganizationRequest, members_only, owners_delete
from models_registry import services
from models_registry.forms import DeployForm
from models_registry.models import FineTunedModel, FineTunedModelQuerySet
from models_registry.usage import usage_of

CARDS_PER_PAGE = 20
SHOWN_AGENTS = 10
TABS = {
    "": ("All", "total_models"),
    "deployed": ("Deployed", "deployed_models"),
    FineTunedModel.Status.ACTIVE: ("Active", "active_models"),
    FineTunedModel.Status.ARCHIVED: ("Archived", "archived_models"),
}


@require_safe
@members_only
def list_models(request: OrganizationRequest) -> HttpResponse:
    """All models, or those of one tab."""
    tab = request.GET.get("status", "")
    models = request.organization.fine_tuned_models
    found = _in_tab(models.with_related(), tab).order_by("-created_at", "-id")
    totals = models.totals()
    count = totals[TABS.get(tab, TABS[""])[1]]
    page = page_of(found, request.GET.get("page"), per_page=CARDS_PER_PAGE, count=count)
    context = {
        "page_obj": page,
        "models": list(page),
        "tab": tab if tab in TABS else "",
        "tabs": [(value, label, totals[column]) for value, (label, column) in TABS.items()],
    }
    return render(request, "models_registry/list.html", context)


def _in_tab(models: FineTunedModelQuerySet, tab: str) -> FineTunedModelQuerySet:
    if tab == "deployed":
        return models.deployed()
    return models.filter(status=tab) if tab in TABS and tab else models


@require_safe
@members_only
def show_model(request: OrganizationRequest, model_id: UUID) -> HttpResponse:
    """Where the model comes from, how good it is, and how to use it."""
    return _show(request, _model(request, model_id), DeployForm())


def _show(request: OrganizationRequest, model: FineTunedModel, deploy_form: DeployForm) -> HttpResponse:
    agents = request.organization.agents.pointing_at(model).order_by("name")[: SHOWN_AGENTS + 1]
    context = {
        "model": model,
        "deploy_form": deploy_form,
        "agents": list(agents),
        "shown_agents": SHOWN_AGENTS,
        "base_url": _base_url(model),
        "gateway_url": request.build_absolute_uri("/v1"),
        "usage": usage_of(model.usage_days.all()),
        "comparison": services.compare_model(model, against=request.GET.get("against", "")),
    }
    status = 422 if deploy_form.errors else 200
    return render(request, "models_registry/detail.html", context, status=status)


def _base_url(model: FineTunedModel) -> str:
    """The provider's address; empty while none is set up, which the page then says."""
    try:
        return base_url(model.provider_account)
    except ProviderError:
        return ""


@require_POST
@members_only
def deploy_model(request: OrganizationRequest, model_id: UUID) -> HttpResponse:
    model = _model(request, model_id)
    form = DeployForm(request.POST)
    if not form.is_valid():
        return _show(request, model, form)
    agent_id = form.cleaned_data["agent_id"]
    done = f"{model.name} is deployed" + (f" for {agent_id}." if agent_id else ".")
    _change(request, done, lambda: services.deploy_model(model, agent_id=agent_id, by=request.user))
    return _back(request, model)


@require_POST
@members_only
def undeploy_model(request: OrganizationRequest, model_id: UUID) -> HttpResponse:
    model = _model(request, model_id)
    done = f"{model.name} is no longer deployed."
    _change(request, done, lambda: services.undeploy_model(model, by=request.user))
    return _back(request, model)


@require_POST
@members_only
def archive_model(request: OrganizationRequest, model_id: UUID) -> HttpResponse:
    model = _model(request, model_id)
    _change(request, f"{model.name} is archived.", lambda: services.archive_model(model))
    return _back(request, model)


@require_POST
@owners_delete
def delete_model(request: OrganizationRequest, model_id: UUID) -> HttpResponse:
    model = _model(request, model_id)
    if _change(request, f"{model.name} was deleted.", lambda: services.delete_model(model)):
        return redirect("models_registry:list")
    return _back(request, model)


def _model(request: OrganizationRequest, model_id: UUID) -> FineTunedModel:
    models = request.organization.fine_tuned_models.with_related()
    model: FineTunedModel = get_object_or_404(models, pk=model_id)
    return model


def _change(request: OrganizationRequest, done: str, change: Callable[[], object]) -> bool:
    """Do it and say `done`, or say why it was refused. True when it was done."""
    try:
        change()
    except Refused as refusal:
        messages.error(request, refusal.message)
        return False
    messages.success(request, done)
    return True


def _back(request: OrganizationRequest, model: FineTunedModel) -> HttpResponse:
    """To the page on which the button stood."""
    if request.POST.get("from") == "list":
        return redirect("models_registry:list")
    return redirect("models_registry:detail", model.pk)
