"""What calls cost, by day: how often which model was asked, by which key, through which agent."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Self

from django.db import connection, models
from django.db.models import Sum

from finetuning.models import Organization
from models_registry.models.agents import Agent
from models_registry.models.api_keys import ApiKey
from models_registry.models.fine_tuned_models import FineTunedModel

DIMENSIONS = ("organization_id", "day", "provider_model_id", "model_id", "agent_id", "api_key_id")
MEASURES = (
    *("requests", "errors", "hang_ups", "prompt_tokens", "completion_tokens"),
    *("latency_ms", "first_token_ms", "price_usd", "unpriced_tokens"),
)
ADD = f"""
    INSERT INTO usage_days ({", ".join((*DIMENSIONS, *MEASURES))})
    VALUES ({", ".join(["%s"] * len((*DIMENSIONS, *MEASURES)))})
    ON CONFLICT ({", ".join(DIMENSIONS)})
    DO UPDATE SET {", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in MEASURES)}
"""  # nosec B608 # noqa: S608 - the names above


def _place(row: Sequence[Any]) -> list[str]:
    return [str(value) for value in row[: len(DIMENSIONS)]]


class UsageDayQuerySet(models.QuerySet["UsageDay"]):
    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add to the days' numbers. A row has the values of DIMENSIONS, then those of MEASURES.

        Rows come in one order, so that two processes that add at once wait instead of deadlocking.
        """
        in_order: list[Any] = sorted(rows, key=_place)
        with connection.cursor() as cursor:
            cursor.executemany(ADD, in_order)

    def since(self, day: date) -> Self:
        return self.filter(day__gte=day)

    def in_month(self, first_day: date) -> Self:
        return self.filter(day__year=first_day.year, day__month=first_day.month)

    def spent(self) -> Decimal:
        """The price of all, in US dollars."""
        return Decimal(self.order_by().aggregate(usd=Sum("price_usd", default=Decimal()))["usd"])

    def unpriced_tokens(self) -> int:
        """How many tokens cost what nobody knows."""
        return int(self.order_by().aggregate(tokens=Sum("unpriced_tokens", default=0))["tokens"])

    def totals(self) -> dict[str, Any]:
        """The sum of each measure."""
        return self.order_by().aggregate(**{name: Sum(name, default=0) for name in MEASURES})

    def summed_by(self, *columns: str) -> list[dict[str, Any]]:
        """Totals (`total_requests` and so on) for each combination of `columns`, the busiest first."""
        totals = {f"total_{name}": Sum(name) for name in MEASURES}
        found = self.order_by().values(*columns).annotate(**totals)
        return list(found.order_by("-total_requests", *columns))


class UsageDay(models.Model):
    """The calls of one day (UTC) by one key of one model through one agent, added up.

    `requests` are calls of applications, `errors` what failed, also where a fallback then answered.
    Latencies are sums of milliseconds. What `unpriced_tokens` cost nobody knows, and is not in `price_usd`. A
    model, agent or key may be gone: the bill stays, so only the organization is a foreign key there.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="usage_days", db_index=False)
    day = models.DateField()
    provider_model_id = models.CharField(max_length=300)
    model = models.ForeignKey(
        FineTunedModel, models.DO_NOTHING, null=True, related_name="usage_days", db_constraint=False
    )
    agent = models.ForeignKey(
        Agent, models.DO_NOTHING, null=True, related_name="usage_days", db_constraint=False
    )
    api_key = models.ForeignKey(
        ApiKey, models.DO_NOTHING, null=True, related_name="usage_days", db_constraint=False
    )
    requests = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    hang_ups = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    latency_ms = models.BigIntegerField(default=0)
    first_token_ms = models.BigIntegerField(default=0)
    price_usd = models.DecimalField(max_digits=24, decimal_places=10, default=0)
    unpriced_tokens = models.BigIntegerField(default=0, db_default=0)

    objects = UsageDayQuerySet.as_manager()

    class Meta:
        db_table = "usage_days"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "day", "provider_model_id", "model", "agent", "api_key"],
                name="usage_days_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_model_id} on {self.day}: {self.requests} requests"

    @property
    def known_price_usd(self) -> Decimal | None:
        """None when nothing of the price is known."""
        return None if self.unpriced_tokens and not self.price_usd else self.price_usd


class UsageBatch(models.Model):
    """A file of calls that was added to the days already, in the same transaction.

    It is remembered until the file, should it be found again, is too old to be counted, see KEPT_FOR in
    `models_registry.usage`. With `refused_calls`, which were put aside for the `reason`, it stays for good.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    refused_calls = models.IntegerField(default=0, db_default=0)
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        db_table = "usage_batches"
        verbose_name_plural = "usage batches"

    def __str__(self) -> str:
        return str(self.pk)
