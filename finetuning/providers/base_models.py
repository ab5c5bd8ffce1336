"""The base models that are known, with the methods that train them and the longest example.

Source: OpenAI's best-practices page. Prices and last days stand in the price book, which operators keep.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    name: str
    aliases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("supervised",)
    max_example_tokens: int = 65_536


KNOWN = (
    BaseModel(
        name="gpt-4.1-mini-2025-04-14",
        aliases=("gpt-4.1-mini",),
        methods=("supervised", "dpo"),
    ),
    BaseModel(
        name="gpt-4.1-2025-04-14",
        aliases=("gpt-4.1",),
        methods=("supervised", "dpo"),
    ),
    BaseModel(
        name="gpt-4o-mini-2024-07-18",
        aliases=("gpt-4o-mini",),
        methods=("supervised", "dpo"),
    ),
    BaseModel(
        name="gpt-4o-2024-08-06",
        aliases=("gpt-4o",),
        methods=("supervised", "dpo"),
    ),
    BaseModel(
        name="gpt-4.1-nano-2025-04-14",
        aliases=("gpt-4.1-nano",),
        methods=("supervised", "dpo"),
    ),
    BaseModel(
        name="gpt-3.5-turbo-0125",
        aliases=("gpt-3.5-turbo",),
        max_example_tokens=16_385,
    ),
    BaseModel(
        name="gpt-3.5-turbo-1106",
        max_example_tokens=16_385,
    ),
    BaseModel(
        name="o4-mini-2025-04-16",
        aliases=("o4-mini",),
        methods=("reinforcement",),
    ),
)


def find_base_model(name: str, *, offered: Iterable[str] = ()) -> BaseModel | None:
    """The base model called `name`; a fine-tuned model's id stands for its base.

    `offered` are names that an account offers besides: their limits are not known.
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
