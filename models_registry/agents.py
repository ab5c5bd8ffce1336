"""What an agent points at, and how that changes: one switch at a time, each kept in the history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, User
from models_registry.models import Agent, AgentSwitch, FineTunedModel
from models_registry.models.agents import NAME_PATTERN, NAME_RULE

Action = AgentSwitch.Action
# A roll-back looks so far into the history.
REMEMBERED_SWITCHES = 50


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an agent points at; `second_share` is a percentage."""

    model: FineTunedModel | None
    second_model: FineTunedModel | None = None
    second_share: int = 0

    @classmethod
    def of(cls, row: Agent | AgentSwitch) -> Self:
        return cls(model=row.model, second_model=row.second_model, second_share=row.second_share)

    @property
    def model_ids(self) -> set[UUID]:
        return {model.pk for model in (self.model, self.second_model) if model is not None}


class AgentNameInvalid(Invalid):
    code = "agent_name_invalid"


class AgentNameTaken(Conflict):
    code = "agent_name_taken"


class SameModelTwice(Invalid):
    code = "same_model_twice"


class AgentHasNoModel(Conflict):
    code = "agent_has_no_model"


class NothingToRollBackTo(Conflict):
    code = "nothing_to_roll_back_to"


class ModelNotActive(Conflict):
    code = "model_not_active"


@transaction.atomic
def create_agent(organization: Organization, *, name: str, by: User, **columns: Any) -> Agent:
    """A name that points at nothing yet. Raises AgentNameInvalid, AgentNameTaken."""
    _check_name(name, pointer="/name")
    agent, is_new = organization.agents.get_or_create(name=name, defaults={"created_by": by, **columns})
    if not is_new:
        raise AgentNameTaken(f"There is an agent named {name} already.", pointer="/name")
    audit.record("agent.created", agent, before={}, by=by)
    return agent


def update_agent(agent: Agent, **columns: Any) -> Agent:
    """Change description, workspace, fallback or what is recorded; never the name, which programs use.

    Raises ModelNotActive for a fallback that is not active.
    """
    fallback = columns.get("fallback_model")
    if fallback is not None and not fallback.is_callable:
        raise ModelNotActive("Only an active model can stand in.", pointer="/fallbackModelId")
    if fallback is not None:
        columns["falls_back_to_base"] = False
    elif columns.get("falls_back_to_base"):
        columns["fallback_model"] = None
    with audit.changing(agent, "agent.changed"):
        for name, value in columns.items():
            setattr(agent, name, value)
        agent.save(update_fields=[*columns, "updated_at"])
    return agent


@transaction.atomic
def bind_model(model: FineTunedModel, *, name: str, by: User | None, now: datetime) -> bool:
    """Point the agent called `name`, a new one if there is none, at `model` alone.

    False when it did so already. Raises AgentNameInvalid, ModelNotActive.
    """
    _check_name(name, pointer="/agentId")
    defaults = {"workspace": model.workspace, "created_by": by}
    agent, is_new = model.organization.agents.get_or_create(name=name, defaults=defaults)
    if is_new:
        audit.record("agent.created", agent, before={}, by=by)
    _lock(agent)
    return _switch(agent, Action.DEPLOYED, Target(model=model), by=by, now=now)


@transaction.atomic
def unbind_model(model: FineTunedModel, *, name: str, by: User | None, now: datetime) -> int:
    """Take `model` from the agent called `name`, or from all agents when no name is given.

    Of a split the other model stays and gets all calls. Returns from how many agents it was taken.
    """
    agents = model.organization.agents.pointing_at(model).order_by("pk")
    found = list((agents.filter(name=name) if name else agents).select_for_update())
    for agent in found:
        rest = agent.second_model if agent.model_id == model.pk else agent.model
        _switch(agent, Action.UNDEPLOYED, Target(model=rest), by=by, now=now)
    return len(found)


@transaction.atomic
def split_agent(
    agent: Agent,
    *,
    second_model: FineTunedModel | None,
    second_share: int,
    by: User,
    now: datetime | None = None,
) -> Agent:
    """Send `second_share` of 100 calls to `second_model`; without one, or with none of 100, end the split.

    Raises AgentHasNoModel, ModelNotActive, SameModelTwice.
    """
    _lock(agent)
    if agent.model is None:
        raise AgentHasNoModel("Deploy a model to the agent first.")
    if second_model == agent.model:
        raise SameModelTwice("The agent's own model cannot be the second one too.", pointer="/secondModelId")
    target = Target(model=agent.model)
    if second_model is not None and second_share:
        target = Target(model=agent.model, second_model=second_model, second_share=second_share)
    _switch(agent, Action.SPLIT, target, by=by, now=now or timezone.now())
    return agent


@transaction.atomic
def roll_back_agent(agent: Agent, *, by: User, now: datetime | None = None) -> Agent:
    """Point the agent at what it pointed at before. A second time takes the first one back.

    Raises NothingToRollBackTo, ModelNotActive when that model was archived since.
    """
    _lock(agent)
    before = previous_target(agent)
    if before is None:
        raise NothingToRollBackTo("The agent has pointed at nothing else so far.")
    _switch(agent, Action.ROLLED_BACK, before, by=by, now=now or timezone.now())
    return agent


def previous_target(agent: Agent) -> Target | None:
    """The newest state in the history that had a model and is not the present one."""
    present = Target.of(agent)
    switches: QuerySet[AgentSwitch] = agent.switches.filter(model__isnull=False)
    recent = switches.select_related("model", "second_model").order_by("-created_at", "-id")
    targets = (Target.of(one) for one in recent[:REMEMBERED_SWITCHES])
    return next((target for target in targets if target != present), None)


def _lock(agent: Agent) -> None:
    agent.refresh_from_db(from_queryset=Agent.objects.select_for_update())


def _switch(agent: Agent, action: Action, target: Target, *, by: User | None, now: datetime) -> bool:
    """Make the change to a locked agent, note it, and mark which models are in use. False: nothing changed.

    Models are locked in one order, so that switches of several agents wait instead of deadlocking.
    """
    before, after = Target.of(agent).model_ids, target.model_ids
    touched = FineTunedModel.with_deleted.filter(pk__in=before | after).order_by("pk").select_for_update()
    models = {model.pk: model for model in touched}
    for pk in after:
        if not models[pk].is_callable:
            raise ModelNotActive(f"{models[pk].name} is not active any more.")
    pointed_at = audit.snapshot(agent)
    if not agent.point_at(**vars(target)):
        return False
    audit.record(f"agent.{action}", agent, before=pointed_at, by=by)
    agent.switches.create(action=action, created_by=by, created_at=now, **vars(target))
    for pk in after - before:
        models[pk].mark_deployed(now=now)
    for pk in before - after:
        if not Agent.objects.pointing_at(models[pk]).exists():
            models[pk].mark_undeployed(now=now)
    return True


def _check_name(name: str, *, pointer: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise AgentNameInvalid(NAME_RULE, pointer=pointer)
