"""What can be done with a fine-tuned model."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Conflict, Invalid, ProviderFailed
from finetuning.models import User
from finetuning.providers import get_provider
from finetuning.providers.base import Completion, ProviderError
from models_registry import agents
from models_registry.agents import ModelNotActive
from models_registry.models import FineTunedModel, PlainPrice
from models_registry.models.usage import UsageDayQuerySet
from models_registry.usage import SHOWN, CallRecord, add_usage, charge_for, prices_in, prices_of
from models_registry.worth import Traffic, Worth, assess

ACTIVE = FineTunedModel.Status.ACTIVE


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A model beside another one, at whose prices `worth` takes its traffic; None: nobody knows them."""

    worth: Worth
    other: PlainPrice | None
    choices: list[PlainPrice]


class ModelDeployed(Conflict):
    code = "model_deployed"


class ModelNotDeployed(Conflict):
    code = "model_not_deployed"


class UnknownCheckpoint(Invalid):
    code = "unknown_checkpoint"


class ModelDidNotAnswer(ProviderFailed):
    code = "model_did_not_answer"


def register_model(
    *, job: Any, provider_model_id: str, retires_on: date | None, **results: float | None
) -> FineTunedModel:
    """The model that `job` yielded; registering it again returns the same one.

    `results` are `training_accuracy`, `validation_accuracy` and `final_loss` as the last step measured them.
    """
    model, _ = FineTunedModel.with_deleted.get_or_create(
        job=job,
        defaults={
            "organization": job.organization,
            "workspace": job.workspace,
            "created_by": job.created_by,
            "provider_account": job.provider_account,
            "name": job.name,
            "description": job.description,
            "base_model": job.base_model,
            "parent_model": job.parent_model,
            "version": job.parent_model.version + 1 if job.parent_model else 1,
            "provider_model_id": provider_model_id,
            "retires_at": datetime.combine(retires_on, time(), UTC) if retires_on else None,
            **results,
        },
    )
    return model


def update_model(model: FineTunedModel, *, now: datetime | None = None, **columns: Any) -> FineTunedModel:
    """Change `name`, `description` or `status` (active or deprecated).

    Raises ModelDeployed for a deployed model that is to be deprecated, ModelNotActive for an archived one
    whose status is to change.
    """
    only_if = Q()
    if "status" in columns:
        only_if = ~Q(status=FineTunedModel.Status.ARCHIVED)
        if columns["status"] != ACTIVE:
            only_if &= Q(deployed=False)
    with audit.changing(model, "model.changed"):
        if model.change(only_if=only_if, now=now or timezone.now(), **columns):
            return model
    model.refresh_from_db()
    if model.deployed:
        raise ModelDeployed("The model is deployed. Undeploy it first.", pointer="/status")
    raise ModelNotActive("An archived model keeps its status.", pointer="/status")


def use_checkpoint(model: FineTunedModel, *, provider_model_id: str) -> FineTunedModel:
    """Let the model answer by a checkpoint of its job, the last of which it began with.

    Wherever it is deployed, the next answer is the checkpoint's. Raises UnknownCheckpoint, ModelNotActive.
    """
    kept = {checkpoint["model_id"] for checkpoint in model.job.checkpoints}
    if provider_model_id not in kept:
        raise UnknownCheckpoint("The model's job kept no such checkpoint.", pointer="/checkpoint")
    with audit.changing(model, "model.checkpoint_chosen"):
        if not model.answer_by(provider_model_id, now=timezone.now()):
            raise ModelNotActive("An archived model is not called any more.")
    return model


@transaction.atomic
def deploy_model(
    model: FineTunedModel, *, agent_id: str = "", by: User | None = None, now: datetime | None = None
) -> FineTunedModel:
    """Put the model to use, under the name of the agent `agent_id` if one is given.

    The agent then points at this model alone, and is made if there is none of that name. Deploying it again
    changes nothing. Raises ModelNotActive, AgentNameInvalid.
    """
    moment = now or timezone.now()
    if agent_id:
        with audit.changing(model, "model.deployed"):
            agents.bind_model(model, name=agent_id, by=by, now=moment)
            model.refresh_from_db()
        return model
    model.refresh_from_db(from_queryset=FineTunedModel.with_deleted.select_for_update())
    with audit.changing(model, "model.deployed"):
        if not model.deployed and not model.mark_deployed(now=moment):
            raise ModelNotActive("Only an active model can be deployed.")
    return model


@transaction.atomic
def undeploy_model(
    model: FineTunedModel, *, agent_id: str = "", by: User | None = None, now: datetime | None = None
) -> FineTunedModel:
    """Take the model out of use: from the agent `agent_id`, or altogether.

    It stays deployed while another agent points at it. Raises ModelNotDeployed.
    """
    moment = now or timezone.now()
    with audit.changing(model, "model.undeployed"):
        unbound = agents.unbind_model(model, name=agent_id, by=by, now=moment)
        if not unbound and (agent_id or not model.mark_undeployed(now=moment)):
            raise ModelNotDeployed("The model is not deployed" + (" for this agent." if agent_id else "."))
        model.refresh_from_db()
    return model


def archive_model(model: FineTunedModel, *, now: datetime | None = None) -> FineTunedModel:
    """Put the model away. Archiving it again changes nothing. Raises ModelDeployed."""
    moment = now or timezone.now()
    archived = FineTunedModel.Status.ARCHIVED
    if model.status == archived:
        return model
    with audit.changing(model, "model.archived"):
        if not model.change(only_if=Q(deployed=False), now=moment, status=archived, archived_at=moment):
            raise ModelDeployed("The model is deployed. Undeploy it first.")
    return model


def delete_model(model: FineTunedModel, *, now: datetime | None = None) -> None:
    """Hide the model from everyone but operators. Raises ModelDeployed."""
    moment = now or timezone.now()
    with audit.changing(model, "model.deleted"):
        if not model.change(only_if=Q(deployed=False), now=moment, deleted_at=moment):
            raise ModelDeployed("The model is deployed. Undeploy it first.")


def restore_model(model: FineTunedModel) -> None:
    """Show a model again that was deleted."""
    with audit.changing(model, "model.restored"):
        FineTunedModel.with_deleted.filter(pk=model.pk).update(deleted_at=None, updated_at=timezone.now())


def record_usage(
    model: FineTunedModel,
    *,
    prompt_tokens: int,
    completion_tokens: int,
    latency_ms: int,
    requests: int = 1,
    now: datetime | None = None,
) -> FineTunedModel:
    """Count calls of the model. `latency_ms` is the time of all `requests` together."""
    call = CallRecord(
        ended_at=(now or timezone.now()).timestamp(),
        organization_id=model.organization_id,
        provider_model_id=model.provider_model_id,
        model_id=model.pk,
        requests=requests,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        latency_ms=latency_ms,
        **charge_for(
            prices_of(model.provider_account, model.base_model),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        ),
    )
    add_usage([call])
    model.refresh_from_db()
    return model


def compare_model(model: FineTunedModel, *, against: str = "", now: datetime | None = None) -> Comparison:
    """Whether the model was worth its training, beside the price with the id `against`, or its base model."""
    moment = now or timezone.now()
    choices = list(PlainPrice.objects.on(moment.date()))
    base = (model.provider_account.kind, model.base_model)
    chosen = next((price for price in choices if str(price.pk) == against), None)
    other = chosen or next((price for price in choices if (price.provider_kind, price.model) == base), None)
    age_days = (moment - model.created_at).days
    worth = assess(
        training_usd=model.job.actual_cost_usd,
        so_far=_traffic(model.usage_days.all()),
        recent=_traffic(model.usage_days.since((moment - SHOWN).date())),
        recent_days=min(SHOWN.days, max(1, age_days)),
        is_new=age_days < SHOWN.days,
        other=prices_in(other),
        today=moment.date(),
    )
    return Comparison(worth=worth, other=other, choices=choices)


def _traffic(days: UsageDayQuerySet) -> Traffic:
    sums = days.totals()
    return Traffic(
        requests=sums["requests"],
        prompt_tokens=sums["prompt_tokens"],
        completion_tokens=sums["completion_tokens"],
        paid_usd=None if sums["unpriced_tokens"] else sums["price_usd"],
    )


def try_model(model: FineTunedModel, *, messages: list[dict[str, Any]], by: User) -> Completion:
    """Ask the model, count the usage, and keep the conversation as raw material for datasets.

    Raises ModelDidNotAnswer, with the provider's words.
    """
    if model.status == FineTunedModel.Status.ARCHIVED:
        raise ModelNotActive("An archived model is not called any more.")
    try:
        completion = get_provider(model.provider_account).chat(model.provider_model_id, messages)
    except ProviderError as error:
        raise ModelDidNotAnswer(error.message) from error
    record_usage(
        model,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        latency_ms=completion.latency_ms,
    )
    model.organization.conversations.record(
        messages=[*messages, dict(completion.message)],
        created_by=by,
        workspace=model.workspace,
        model=model.provider_model_id,
    )
    return completion
