"""What answers of models cost that nobody tuned: dated rows that operators keep, like the price book."""

from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import Q

from finetuning.models import ProviderAccount


class PlainPriceQuerySet(models.QuerySet["PlainPrice"]):
    def on(self, day: date) -> "PlainPriceQuerySet":
        """The price of each model at each kind of provider that holds on `day`."""
        known = self.filter(valid_from__lte=day)
        return known.order_by("provider_kind", "model", "-valid_from").distinct("provider_kind", "model")


class PlainPrice(models.Model):
    """What providers of one kind ask, from a day on, for the tokens of a model that nobody tuned.

    US dollars per million tokens. Tuned ones cost more: their prices are those of the price book.
    """

    provider_kind = models.CharField(max_length=20, choices=ProviderAccount.Kind.choices)
    model = models.CharField(max_length=200, help_text="As the provider calls it, without an alias.")
    valid_from = models.DateField()
    input_usd = models.DecimalField("input", max_digits=12, decimal_places=4)
    cached_input_usd = models.DecimalField(
        "cached input", max_digits=12, decimal_places=4, null=True, blank=True
    )
    output_usd = models.DecimalField("output", max_digits=12, decimal_places=4)
    source_url = models.URLField("source", max_length=500, help_text="Where the provider says so.")

    objects = PlainPriceQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = (
        "provider_kind",
        "model",
        "valid_from",
        "input_usd",
        "cached_input_usd",
        "output_usd",
        "source_url",
    )

    class Meta:
        db_table = "plain_prices"
        constraints = [
            models.UniqueConstraint(
                fields=["provider_kind", "model", "valid_from"], name="plain_prices_one_a_day"
            ),
            models.CheckConstraint(
                condition=Q(input_usd__gte=0, output_usd__gte=0), name="plain_prices_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} at {self.get_provider_kind_display()} from {self.valid_from}"
