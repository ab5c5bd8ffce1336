from datetime import date
from decimal import Decimal

from django.db import migrations, models

PRICING = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
# Compared with the price map of LiteLLM 1.110.2, which has no dates: the day is that of the price book.
VALID_FROM = date(2025, 12, 1)
# Input, cached input, output.
PRICES = {
    "gpt-5-2025-08-07": ("1.25", "0.125", "10.00"),
    "gpt-5-mini-2025-08-07": ("0.25", "0.025", "2.00"),
    "gpt-5-nano-2025-08-07": ("0.05", "0.005", "0.40"),
    "gpt-4.1-2025-04-14": ("2.00", "0.50", "8.00"),
    "gpt-4.1-mini-2025-04-14": ("0.40", "0.10", "1.60"),
    "gpt-4.1-nano-2025-04-14": ("0.10", "0.025", "0.40"),
    "gpt-4o-2024-08-06": ("2.50", "1.25", "10.00"),
    "gpt-4o-mini-2024-07-18": ("0.15", "0.075", "0.60"),
    "o4-mini-2025-04-16": ("1.10", "0.275", "4.40"),
    "gpt-3.5-turbo-0125": ("0.50", None, "1.50"),
    "gpt-3.5-turbo-1106": ("1.00", None, "2.00"),
}
# The sandbox rehearses what OpenAI would ask. What others ask for models of these names is not known.
PRICED_KINDS = ("openai", "sandbox")
COLUMNS = ("input_usd", "cached_input_usd", "output_usd")


def fill(apps, schema_editor):
    PlainPrice = apps.get_model("models_registry", "PlainPrice")
    PlainPrice.objects.bulk_create(
        PlainPrice(
            provider_kind=kind,
            model=name,
            valid_from=VALID_FROM,
            source_url=PRICING,
            **dict(zip(COLUMNS, (usd and Decimal(usd) for usd in prices))),
        )
        for kind in PRICED_KINDS
        for name, prices in PRICES.items()
    )


KINDS = [
    ("sandbox", "Sandbox (trains nothing)"),
    ("openai", "OpenAI"),
    ("azure", "Azure AI Foundry"),
    ("nebius", "Nebius Token Factory"),
    ("compatible", "OpenAI-compatible"),
]


def usd(words, **options):
    return models.DecimalField(words, decimal_places=4, max_digits=12, **options)


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0007_unpriced_and_refused")]

    operations = [
        migrations.CreateModel(
            name="PlainPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider_kind", models.CharField(choices=KINDS, max_length=20)),
                ("model", models.CharField(help_text="As the provider calls it, without an alias.", max_length=200)),
                ("valid_from", models.DateField()),
                ("input_usd", usd("input")),
                ("cached_input_usd", usd("cached input", blank=True, null=True)),
                ("output_usd", usd("output")),
                ("source_url", models.URLField(help_text="Where the provider says so.", max_length=500, verbose_name="source")),
            ],
            options={
                "db_table": "plain_prices",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider_kind", "model", "valid_from"), name="plain_prices_one_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("input_usd__gte", 0), ("output_usd__gte", 0)),
                        name="plain_prices_not_negative",
                    ),
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
