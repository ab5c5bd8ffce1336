"""What is settled before a job is made: where it trains, on which base model, how, and at what price."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.dateformat import format as date_format

from datasets.models import Dataset
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, ProviderAccount
from finetuning.offers import Offer, find_offer
from finetuning.providers import get_provider
from finetuning.providers.base import CostEstimate, Provider, ProviderError
from finetuning.providers.base_models import find_base_model
from models_registry.models import FineTunedModel

MIN_EXAMPLES = 10
GRADERS = ("string_check", "text_similarity", "python", "score_model", "multi")
MAX_GRADER_BYTES = 256 * 1024
# Providers take 16 pairs, four of which tell us our own runs.
MAX_METADATA = 12
MAX_METADATA_NAME = 64
MAX_METADATA_VALUE = 512


class DatasetNotTrainable(Conflict):
    code = "dataset_not_trainable"


class UnknownBaseModel(Invalid):
    code = "unknown_base_model"


class BaseModelRetired(Conflict):
    code = "base_model_retired"


class MethodNotOffered(Invalid):
    code = "method_not_offered"


class ModelOfAnotherProvider(Invalid):
    code = "model_of_another_provider"


class GraderMissing(Invalid):
    code = "grader_missing"


class GraderInvalid(Invalid):
    code = "grader_invalid"


class GraderNotTaken(Invalid):
    code = "grader_not_taken"


class ValidationMissing(Invalid):
    code = "validation_missing"


class MetadataInvalid(Invalid):
    code = "metadata_invalid"


class TooFewExamples(Invalid):
    code = "too_few_examples"


class NoProviderAccount(Conflict):
    code = "no_provider_account"


class UnknownProvider(Invalid):
    code = "unknown_provider"


class ProviderClosed(Conflict):
    code = "provider_closed"


class ProviderNotUsable(Conflict):
    code = "provider_not_usable"


def find_provider_account(organization: Organization, name: str) -> ProviderAccount:
    """The enabled account called `name`, or the default one. Raises NoProviderAccount, UnknownProvider."""
    accounts = {account.name: account for account in organization.provider_accounts.enabled()}
    if not accounts:
        raise NoProviderAccount("No provider is set up for this organization. Ask an admin to add one.")
    if not name:
        return next(iter(accounts.values()))
    if name not in accounts:
        raise UnknownProvider(
            f"There is no provider {name!r}. Choose one of: {', '.join(accounts)}.", pointer="/provider"
        )
    return accounts[name]


@dataclass(frozen=True, kw_only=True)
class Start:
    """From what a job sets out. `model` is what the provider starts from, where that is tuned; else empty."""

    offer: Offer
    parent: FineTunedModel | None = None
    model: str = ""


def find_start(organization: Organization, *, base_model: str, provider: str) -> Start:
    """The base model, the tuned model or the checkpoint called `base_model`, at the account it is trained at.

    A tuned model is called by its id, its name, or its id at the provider, and goes on where it was made. A
    base model's name means the base model. Raises as `find_provider_account` and `trainable_offer` do, and
    ModelOfAnotherProvider.
    """
    if not base_model.startswith("ft:"):
        account = find_provider_account(organization, provider)
        if find_base_model(base_model, offered=account.base_models):
            return Start(offer=trainable_offer(account, base_model))
    called = organization.fine_tuned_models.called(base_model)
    parent = called.select_related("job", "provider_account").first()
    if parent is None:
        raise UnknownBaseModel(
            f"There is neither a base model nor a usable model of yours called {base_model!r}. GET "
            "/api/base-models lists what can be trained.",
            pointer="/baseModel",
        )
    return _start_from(parent, called=base_model, provider=provider)


def _start_from(parent: FineTunedModel, *, called: str, provider: str) -> Start:
    """Go on from `parent`, or from the checkpoint of its job that is `called` so."""
    account = parent.provider_account
    if provider not in {"", account.name}:
        raise ModelOfAnotherProvider(
            f"{parent.name} was made with the account {account.name!r}, and goes on only there.",
            pointer="/provider",
        )
    if not account.is_enabled:
        raise UnknownProvider(f"The provider {account.name!r} is switched off.", pointer="/provider")
    kept = {checkpoint["model_id"] for checkpoint in parent.job.checkpoints}
    return Start(
        offer=trainable_offer(account, parent.base_model),
        parent=parent,
        model=called if called in kept else parent.provider_model_id,
    )


def trainable_offer(account: ProviderAccount, name: str) -> Offer:
    """The base model `name` as the account offers it today.

    Raises ProviderClosed, UnknownBaseModel or BaseModelRetired.
    """
    today = timezone.now().date()
    last_day = account.capabilities.takes_jobs_until
    if last_day and last_day <= today:
        since = date_format(last_day, "j F Y")
        raise ProviderClosed(
            f"{account.get_kind_display()} takes no new jobs since {since}. Choose another provider account.",
            pointer="/provider",
        )
    offer = find_offer(account, name, day=today)
    if offer is None:
        raise UnknownBaseModel(
            f"The base model {name!r} is not known. GET /api/base-models lists what can be trained.",
            pointer="/baseModel",
        )
    if offer.is_retired:
        raise BaseModelRetired(
            f"{offer.base_model.name} was retired on {offer.retires_on}. Choose a newer base model.",
            pointer="/baseModel",
        )
    return offer


def fitting_methods(dataset: Dataset) -> tuple[str, ...]:
    """The methods that the dataset's kind of examples is for, its own first.

    Reinforcement takes examples for supervised training: their last answer is what graders compare with.
    """
    own: str = dataset.method
    return (own, "reinforcement") if own == "supervised" else (own,)


def matching_method(dataset: Dataset, offer: Offer, method: str) -> str:
    """The method for the dataset's examples; `method` empty takes their own. Raises MethodNotOffered."""
    wanted = method or dataset.method
    if wanted not in fitting_methods(dataset):
        raise MethodNotOffered(
            f"The dataset holds examples for {dataset.method!r} training, not for {method!r}.",
            pointer="/method",
        )
    if wanted not in offer.account.capabilities.methods:
        raise MethodNotOffered(
            f"{offer.account.get_kind_display()} does not train by {wanted!r}. Choose another account.",
            pointer="/provider",
        )
    if wanted not in offer.base_model.methods:
        raise MethodNotOffered(
            f"{offer.base_model.name} cannot be trained by {wanted!r}.", pointer="/baseModel"
        )
    return wanted


def check_grader(method: str, *, grader: dict[str, Any], validation_split: float) -> None:
    """Refuse reinforcement without what it needs, and a grader for anything else.

    Raises GraderMissing, GraderInvalid, GraderNotTaken or ValidationMissing. What a grader of its type needs,
    the provider checks.
    """
    if method != "reinforcement":
        if grader:
            raise GraderNotTaken(f"Training by {method!r} takes no grader.", pointer="/grader")
        return
    if not grader:
        raise GraderMissing("Reinforcement needs a grader, which scores the answers.", pointer="/grader")
    if grader.get("type") not in GRADERS:
        raise GraderInvalid(f"Its type is one of: {', '.join(GRADERS)}.", pointer="/grader")
    if len(json.dumps(grader)) > MAX_GRADER_BYTES:
        raise GraderInvalid(f"It has at most {MAX_GRADER_BYTES:,} bytes.", pointer="/grader")
    if not validation_split:
        raise ValidationMissing("Reinforcement needs examples for validation.", pointer="/validationSplit")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse what a provider would not take with a run, or what is ours. Raises MetadataInvalid."""
    if len(metadata) > MAX_METADATA:
        raise MetadataInvalid(f"Give at most {MAX_METADATA}.", pointer="/metadata")
    for name, value in metadata.items():
        if not 0 < len(name) <= MAX_METADATA_NAME or name.startswith("ft_"):
            message = f"Names have 1 to {MAX_METADATA_NAME} characters and do not begin with ft_."
            raise MetadataInvalid(message, pointer="/metadata")
        if not 0 < len(value) <= MAX_METADATA_VALUE:
            message = f"Values have 1 to {MAX_METADATA_VALUE} characters."
            raise MetadataInvalid(message, pointer="/metadata")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a job would be trained, and what that will cost."""

    start: Start
    method: str
    estimate: CostEstimate


def plan_job(
    organization: Organization,
    *,
    dataset: Dataset,
    base_model: str,
    provider: str,
    method: str,
    epochs: int | None,
    validation_split: float,
) -> Plan:
    """Settle what can be settled before a job is made.

    Raises as `find_start`, `matching_method` and `estimate_cost` do.
    """
    start = find_start(organization, base_model=base_model, provider=provider)
    chosen = matching_method(dataset, start.offer, method)
    estimate = estimate_cost(dataset, offer=start.offer, epochs=epochs, validation_split=validation_split)
    return Plan(start=start, method=chosen, estimate=estimate)


def not_trainable(dataset: Dataset) -> DatasetNotTrainable:
    """Why the dataset cannot be trained on, as an error to raise."""
    reasons = {
        Dataset.Status.PROCESSING: "It is still being read. Wait until it is valid.",
        Dataset.Status.INVALID: "It has errors. Open it to see on which lines.",
        Dataset.Status.VALID: "It was deleted.",
    }
    reason = reasons[Dataset.Status(dataset.status)]
    return DatasetNotTrainable(
        f"The dataset {dataset.name!r} cannot be trained on. {reason}", pointer="/datasetId"
    )


def estimate_cost(
    dataset: Dataset, *, offer: Offer, epochs: int | None = None, validation_split: float = 0
) -> CostEstimate:
    """What training on the dataset will cost, from its counted tokens.

    `training_usd` is None where no price is known. Raises DatasetNotTrainable, ProviderNotUsable for an
    account without a usable address or key, or TooFewExamples when the split leaves fewer than 10 examples to
    train on.
    """
    if not dataset.is_trainable:
        raise not_trainable(dataset)
    held_back = round(dataset.total_examples * validation_split)
    examples = dataset.total_examples - held_back
    if examples < MIN_EXAMPLES:
        raise TooFewExamples(
            f"Only {examples} examples are left for training; at least {MIN_EXAMPLES} are needed.",
            pointer="/validationSplit",
        )
    tokens = dataset.billable_tokens(offer.base_model.max_example_tokens)
    validation_tokens = round(tokens * held_back / dataset.total_examples)
    return _usable_provider(offer.account).estimate_cost(
        examples=examples,
        tokens=tokens - validation_tokens,
        validation_tokens=validation_tokens,
        epochs=epochs,
        price=offer.training_price,
    )


def _usable_provider(account: ProviderAccount) -> Provider:
    try:
        return get_provider(account)
    except ProviderError as error:
        raise ProviderNotUsable(error.message, pointer="/provider") from error
