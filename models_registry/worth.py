"""Whether a tuned model was worth its training: its traffic at its own price and at another model's."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models_registry.usage import Prices

PER_MILLION = Decimal(1_000_000)
# A date further away says no more than "not at this rate".
HORIZON = timedelta(days=10 * 365)


class Verdict(StrEnum):
    """How training compares with what the other model would have cost more."""

    UNKNOWN = "unknown"
    PAID_BACK = "paid_back"
    PAYS_BACK = "pays_back"
    NOT_AT_THIS_RATE = "not_at_this_rate"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Calls of a model, added up. `paid_usd` is None where the price of some tokens is not known."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    paid_usd: Decimal | None = Decimal()


@dataclass(frozen=True, kw_only=True)
class Worth:
    """All in US dollars, None where not known. What is saved is negative where the tuned model costs more.

    `saved_usd` leaves training out, `gained_usd` takes it off; `break_even_on` is set for PAYS_BACK alone.
    """

    training_usd: Decimal | None
    paid_usd: Decimal | None
    other_usd: Decimal | None
    saved_usd: Decimal | None
    gained_usd: Decimal | None
    verdict: Verdict
    break_even_on: date | None
    is_unused: bool

    @property
    def missing_usd(self) -> Decimal | None:
        """How much more the tuned model cost than the other one would have; None: nothing, or not known."""
        return -self.gained_usd if self.gained_usd is not None and self.gained_usd < 0 else None


def assess(
    *,
    training_usd: Decimal | None,
    so_far: Traffic,
    recent: Traffic,
    recent_days: int,
    is_new: bool,
    other: "Prices | None",
    today: date,
) -> Worth:
    """Compare a model with one that costs `other`.

    `recent` is the traffic of the last `recent_days`, 1 or more, by whose rate the break-even date goes. A
    model that `is_new` has not had the time to be unused.
    """
    saved = _saved(so_far, other)
    gained = None if saved is None or training_usd is None else saved - training_usd
    saved_recently = _saved(recent, other)
    rate = None if saved_recently is None else saved_recently / recent_days
    verdict, break_even_on = _verdict(gained, rate, today)
    return Worth(
        training_usd=training_usd,
        paid_usd=so_far.paid_usd,
        other_usd=None if other is None else _price(so_far, other),
        saved_usd=saved,
        gained_usd=gained,
        verdict=verdict,
        break_even_on=break_even_on,
        is_unused=not is_new and not recent.requests,
    )


def _price(traffic: Traffic, prices: "Prices") -> Decimal:
    """No token counts as cached: how many the other model would have had in its cache nobody knows."""
    input_usd = prices.input_usd * traffic.prompt_tokens
    return (input_usd + prices.output_usd * traffic.completion_tokens) / PER_MILLION


def _saved(traffic: Traffic, other: "Prices | None") -> Decimal | None:
    return None if other is None or traffic.paid_usd is None else _price(traffic, other) - traffic.paid_usd


def _verdict(gained: Decimal | None, rate: Decimal | None, today: date) -> tuple[Verdict, date | None]:
    """`rate` is what is saved a day."""
    if gained is None:
        return Verdict.UNKNOWN, None
    if gained >= 0:
        return Verdict.PAID_BACK, None
    if rate is None:
        return Verdict.UNKNOWN, None
    if rate <= 0 or -gained > rate * HORIZON.days:
        return Verdict.NOT_AT_THIS_RATE, None
    days = int((-gained / rate).to_integral_value(ROUND_CEILING))
    return Verdict.PAYS_BACK, today + timedelta(days=days)
