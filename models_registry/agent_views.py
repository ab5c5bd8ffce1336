"""Pages about agents: the list, and one agent with its models, its settings and its history."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from finetuning.errors import Refused
from finetuning.tenancy import OrganizationRequest, members_only
from models_registry import agents as services
from models_registry.forms import AgentForm, AgentSettingsForm, SplitForm
from models_registry.models import Agent
from models_registry.usage import usage_of

ROWS_PER_PAGE = 20
SHOWN_SWITCHES = 20


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def list_agents(request: OrganizationRequest) -> HttpResponse:
    """All agents; a POST makes a new one."""
    form = AgentForm(request.POST or None, instance=Agent(organization=request.organization))
    if request.method == "POST" and form.is_valid():
        try:
            agent = services.create_agent(request.organization, by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error("name", refusal.message)
        else:
            return redirect("agents:detail", agent.pk)
    found = request.organization.agents.with_related().order_by("name", "id")
    page = Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "agents": list(page), "form": form}
    return render(request, "models_registry/agents.html", context, status=422 if form.errors else 200)


@require_safe
@members_only
def show_agent(request: OrganizationRequest, agent_id: UUID) -> HttpResponse:
    """Where the calls go, what happens when the model fails, and who changed it when."""
    agent = _agent(request, agent_id)
    return _show(
        request, agent, SplitForm(agent=agent, initial=_split(agent)), AgentSettingsForm(instance=agent)
    )


def _show(
    request: OrganizationRequest, agent: Agent, split_form: SplitForm, settings_form: AgentSettingsForm
) -> HttpResponse:
    switches = agent.switches.select_related("model", "second_model", "created_by")
    context = {
        "agent": agent,
        "split_form": split_form,
        "settings_form": settings_form,
        "previous": services.previous_target(agent),
        "switches": list(switches.order_by("-created_at", "-id")[:SHOWN_SWITCHES]),
        "usage": usage_of(agent.usage_days.all()),
        "gateway_url": request.build_absolute_uri("/v1"),
    }
    refused = split_form.errors or settings_form.errors
    return render(request, "models_registry/agent.html", context, status=422 if refused else 200)


def _split(agent: Agent) -> dict[str, object]:
    return {"second_model": agent.second_model_id, "second_share": agent.second_share}


@require_POST
@members_only
def split_agent(request: OrganizationRequest, agent_id: UUID) -> HttpResponse:
    agent = _agent(request, agent_id)
    form = SplitForm(request.POST, agent=agent)
    if form.is_valid():
        try:
            services.split_agent(agent, by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, f"The calls of {agent.name} are divided as you said.")
            return redirect("agents:detail", agent.pk)
    return _show(request, agent, form, AgentSettingsForm(instance=agent))


@require_POST
@members_only
def update_agent(request: OrganizationRequest, agent_id: UUID) -> HttpResponse:
    agent = _agent(request, agent_id)
    form = AgentSettingsForm(request.POST, instance=_agent(request, agent_id))
    if form.is_valid():
        try:
            services.update_agent(agent, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, f"{agent.name} is saved.")
            return redirect("agents:detail", agent.pk)
    return _show(request, agent, SplitForm(agent=agent, initial=_split(agent)), form)


@require_POST
@members_only
def roll_back_agent(request: OrganizationRequest, agent_id: UUID) -> HttpResponse:
    agent = _agent(request, agent_id)
    try:
        services.roll_back_agent(agent, by=request.user)
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{agent.name} points at {agent.model} again.")
    return redirect("agents:detail", agent.pk)


def _agent(request: OrganizationRequest, agent_id: UUID) -> Agent:
    agent: Agent = get_object_or_404(request.organization.agents.with_related(), pk=agent_id)
    return agent
