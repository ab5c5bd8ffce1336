"""What training and answers cost, and until when base models answer: dated rows that operators keep.

They belong to nobody: a price is the same for every organization that trains with a provider of that kind.
"""

from collections.abc import Collection
from datetime import date
from typing import ClassVar

from django.db import models

from finetuning.models.providers import ProviderAccount


class BasePrice(models.Model):
    """What providers of one kind ask for one base model from a day on. US dollars; null: not known."""

    provider_kind = models.CharField(max_length=20, choices=ProviderAccount.Kind.choices)
    base_model = models.CharField(max_length=200, help_text="As the provider calls it, without an alias.")
    valid_from = models.DateField()
    training_usd = models.DecimalField(
        "training", max_digits=12, decimal_places=4, null=True, blank=True, help_text="Per million tokens."
    )
    input_usd = models.DecimalField("input", max_digits=12, decimal_places=4, null=True, blank=True)
    cached_input_usd = models.DecimalField(
        "cached input", max_digits=12, decimal_places=4, null=True, blank=True
    )
    output_usd = models.DecimalField("output", max_digits=12, decimal_places=4, null=True, blank=True)
    source_url = models.URLField("source", max_length=500, help_text="Where the provider says so.")

    audited: ClassVar[tuple[str, ...]] = (
        "provider_kind",
        "base_model",
        "valid_from",
        "training_usd",
        "input_usd",
        "cached_input_usd",
        "output_usd",
        "source_url",
    )

    class Meta:
        db_table = "base_prices"
        constraints = [
            models.UniqueConstraint(
                fields=["provider_kind", "base_model", "valid_from"], name="base_prices_one_a_day"
            ),
            models.CheckConstraint(
                condition=models.Q(training_usd__gte=0) | models.Q(training_usd=None),
                name="base_prices_training_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.base_model} at {self.provider_kind} from {self.valid_from}"


class BaseRetirement(models.Model):
    """The last day of a base model, and of what was trained on it, at providers of one kind."""

    provider_kind = models.CharField(max_length=20, choices=ProviderAccount.Kind.choices)
    base_model = models.CharField(max_length=200, help_text="As the provider calls it, without an alias.")
    retires_on = models.DateField(help_text="From this day on it answers no more.")
    source_url = models.URLField("source", max_length=500, help_text="Where the provider says so.")

    audited: ClassVar[tuple[str, ...]] = ("provider_kind", "base_model", "retires_on", "source_url")

    class Meta:
        db_table = "base_retirements"
        constraints = [
            models.UniqueConstraint(fields=["provider_kind", "base_model"], name="base_retirements_once")
        ]

    def __str__(self) -> str:
        return f"{self.base_model} at {self.provider_kind}: {self.retires_on}"


def price_list(kind: str, *, base_models: Collection[str], day: date) -> dict[str, BasePrice]:
    """The prices of these base models that hold on `day` at providers of `kind`, by base model."""
    known = BasePrice.objects.filter(provider_kind=kind, base_model__in=base_models, valid_from__lte=day)
    newest = known.order_by("base_model", "-valid_from").distinct("base_model")
    return {price.base_model: price for price in newest}


def announced_retirements(kind: str, *, base_models: Collection[str]) -> dict[str, date]:
    """The last days of these base models, as far as they are known for providers of `kind`."""
    known = BaseRetirement.objects.filter(provider_kind=kind, base_model__in=base_models)
    return dict(known.values_list("base_model", "retires_on"))
