"""What is settled before a job is made: where it trains, on which base model, how, and at what price."""

from django.utils import timezone

from datasets.models import Dataset
from finetuning.errors import Conflict, Invalid
from finetuning.models import Organization, ProviderAccount
from finetuning.offers import Offer, find_offer
from finetuning.providers import get_provider
from finetuning.providers.base import CostEstimate, Provider, ProviderError

MIN_EXAMPLES = 10


class DatasetNotTrainable(Conflict):
    code = "dataset_not_trainable"


class UnknownBaseModel(Invalid):
    code = "unknown_base_model"


class BaseModelRetired(Conflict):
    code = "base_model_retired"


class MethodNotOffered(Invalid):
    code = "method_not_offered"


class TooFewExamples(Invalid):
    code = "too_few_examples"


class NoProviderAccount(Conflict):
    code = "no_provider_account"


class UnknownProvider(Invalid):
    code = "unknown_provider"


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


def trainable_offer(account: ProviderAccount, name: str) -> Offer:
    """The base model `name` as the account offers it today. Raises UnknownBaseModel or BaseModelRetired."""
    offer = find_offer(account, name, day=timezone.now().date())
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


def matching_method(account: ProviderAccount, dataset: Dataset, offer: Offer, method: str) -> str:
    """The method for the dataset's kind of examples; `method` empty takes it. Raises MethodNotOffered."""
    if method and method != dataset.method:
        raise MethodNotOffered(
            f"The dataset holds examples for {dataset.method!r} training, not for {method!r}.",
            pointer="/method",
        )
    if dataset.method not in account.capabilities.methods:
        raise MethodNotOffered(
            f"{account.get_kind_display()} does not train by {dataset.method!r}. Choose another account.",
            pointer="/provider",
        )
    if dataset.method not in offer.base_model.methods:
        raise MethodNotOffered(
            f"{offer.base_model.name} cannot be trained by {dataset.method!r}.", pointer="/baseModel"
        )
    return dataset.method


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
    dataset: Dataset,
    *,
    account: ProviderAccount,
    base_model: str,
    epochs: int | None = None,
    validation_split: float = 0,
) -> CostEstimate:
    """What training on the dataset will cost, from its counted tokens.

    `training_usd` is None where no price is known. Raises DatasetNotTrainable, UnknownBaseModel,
    BaseModelRetired, ProviderNotUsable for an account without a usable address or key, or TooFewExamples
    when the split leaves fewer than 10 examples to train on.
    """
    if not dataset.is_trainable:
        raise not_trainable(dataset)
    offer = trainable_offer(account, base_model)
    held_back = round(dataset.total_examples * validation_split)
    examples = dataset.total_examples - held_back
    if examples < MIN_EXAMPLES:
        raise TooFewExamples(
            f"Only {examples} examples are left for training; at least {MIN_EXAMPLES} are needed.",
            pointer="/validationSplit",
        )
    tokens = dataset.billable_tokens(offer.base_model.max_example_tokens)
    validation_tokens = round(tokens * held_back / dataset.total_examples)
    return _usable_provider(account).estimate_cost(
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
