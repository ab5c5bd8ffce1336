"""The base models that are known, with their limits, prices and last days.

Source: OpenAI's deprecations page (October 2026), best-practices page, and its pricing page as it stood in
late 2025; training prices have not been published since. Prices are US dollars per million tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

PRICES_AS_OF = "2025-12-01"


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    name: str
    aliases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("supervised",)
    max_example_tokens: int = 65_536
    training_usd: Decimal | None = None
    input_usd: Decimal | None = None
    output_usd: Decimal | None = None
    retires_on: date | None = None

    def is_retired(self, today: date) -> bool:
        return self.retires_on is not None and self.retires_on <= today


KNOWN = (
    BaseModel(
        name="gpt-4.1-mini-2025-04-14",
        aliases=("gpt-4.1-mini",),
        methods=("supervised", "dpo"),
        training_usd=Decimal("5.00"),
        input_usd=Decimal("0.80"),
        output_usd=Decimal("3.20"),
        retires_on=date(2027, 1, 14),
    ),
    BaseModel(
        name="gpt-4.1-2025-04-14",
        aliases=("gpt-4.1",),
        methods=("supervised", "dpo"),
        training_usd=Decimal("25.00"),
        input_usd=Decimal("3.00"),
        output_usd=Decimal("12.00"),
        retires_on=date(2027, 1, 14),
    ),
    BaseModel(
        name="gpt-4o-mini-2024-07-18",
        aliases=("gpt-4o-mini",),
        methods=("supervised", "dpo"),
        training_usd=Decimal("3.00"),
        input_usd=Decimal("0.30"),
        output_usd=Decimal("1.20"),
        retires_on=date(2027, 1, 14),
    ),
    BaseModel(
        name="gpt-4o-2024-08-06",
        aliases=("gpt-4o",),
        methods=("supervised", "dpo"),
        training_usd=Decimal("25.00"),
        input_usd=Decimal("3.75"),
        output_usd=Decimal("15.00"),
        retires_on=date(2027, 1, 14),
    ),
    BaseModel(
        name="gpt-4.1-nano-2025-04-14",
        aliases=("gpt-4.1-nano",),
        methods=("supervised", "dpo"),
        training_usd=Decimal("1.50"),
        input_usd=Decimal("0.20"),
        output_usd=Decimal("0.80"),
        retires_on=date(2026, 10, 23),
    ),
    BaseModel(
        name="gpt-3.5-turbo-0125",
        aliases=("gpt-3.5-turbo",),
        max_example_tokens=16_385,
        training_usd=Decimal("8.00"),
        input_usd=Decimal("3.00"),
        output_usd=Decimal("6.00"),
        retires_on=date(2026, 10, 23),
    ),
    BaseModel(
        name="gpt-3.5-turbo-1106",
        max_example_tokens=16_385,
        training_usd=Decimal("8.00"),
        input_usd=Decimal("3.00"),
        output_usd=Decimal("6.00"),
        retires_on=date(2026, 9, 28),
    ),
    BaseModel(
        name="o4-mini-2025-04-16",
        aliases=("o4-mini",),
        methods=("reinforcement",),
        input_usd=Decimal("4.00"),
        output_usd=Decimal("16.00"),
        retires_on=date(2026, 10, 23),
    ),
)


def find_base_model(name: str, *, offered: Iterable[str] = ()) -> BaseModel | None:
    """The base model called `name`; a fine-tuned model's id stands for its base.

    `offered` are names that an account offers besides: their limits and prices are not known.
    """
    base_name = name.split(":")[1] if name.startswith("ft:") and name.count(":") else name
    for model in KNOWN:
        if base_name == model.name or base_name in model.aliases:
            return model
    return BaseModel(name=base_name, methods=("supervised", "dpo")) if base_name in offered else None


def default_epochs(examples: int) -> int:
    """The number of epochs that `auto` comes to, by OpenAI's published data preparation guide.

    Three, but at least 100 and at most 25,000 examples seen in all, within 1 to 25 epochs.
    """
    if examples < 1:
        return 1
    if examples * 3 < 100:
        return min(25, 100 // examples)
    if examples * 3 > 25_000:
        return max(1, 25_000 // examples)
    return 3
