"""What a provider account offers to train: each base model with its price and its last day."""

from dataclasses import dataclass
from datetime import date, timedelta

from finetuning.models import BasePrice, ProviderAccount, announced_retirements, price_list
from finetuning.providers.base import TrainingPrice
from finetuning.providers.base_models import KNOWN, BaseModel, find_base_model

RETIRES_SOON = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A base model as `account` offers it on `day`. `price` and `retires_on` are None where not known."""

    account: ProviderAccount
    base_model: BaseModel
    price: BasePrice | None
    retires_on: date | None
    day: date

    @property
    def is_retired(self) -> bool:
        return self.retires_on is not None and self.retires_on <= self.day

    @property
    def retires_soon(self) -> bool:
        """Whether its last day is known and not more than 90 days away."""
        return self.retires_on is not None and self.retires_on <= self.day + RETIRES_SOON

    @property
    def training_price(self) -> TrainingPrice | None:
        price = self.price
        if price is None or price.training_usd is None:
            return None
        return TrainingPrice(usd=price.training_usd, as_of=price.valid_from, source=price.source_url)


def list_offers(account: ProviderAccount, *, day: date) -> list[Offer]:
    """All base models that `account` trains, the known ones first, the retired ones too. Two statements."""
    return _offers(account, _base_models(account), day=day)


def find_offer(account: ProviderAccount, name: str, *, day: date) -> Offer | None:
    """What `account` offers under `name`, an alias or a tuned model's id; None: it is not known there."""
    model = find_base_model(name, offered=account.base_models)
    found = [offered for offered in _base_models(account) if offered == model]
    return next(iter(_offers(account, found, day=day)), None)


def _base_models(account: ProviderAccount) -> list[BaseModel]:
    extra = [find_base_model(name, offered=[name]) for name in account.base_models]
    known = KNOWN if account.capabilities.trains_known_models else ()
    return list(dict.fromkeys([*known, *(model for model in extra if model)]))


def _offers(account: ProviderAccount, base_models: list[BaseModel], *, day: date) -> list[Offer]:
    names = [model.name for model in base_models]
    prices = price_list(account.kind, base_models=names, day=day)
    announced = announced_retirements(account.kind, base_models=names)
    return [
        Offer(
            account=account,
            base_model=model,
            price=prices.get(model.name),
            retires_on=account.last_day_of(model.name, announced=announced.get(model.name)),
            day=day,
        )
        for model in base_models
    ]
