from datetime import date
from decimal import Decimal

from django.db import migrations, models

PRICING = "https://platform.openai.com/docs/pricing"
DEPRECATIONS = "https://platform.openai.com/docs/deprecations"
# OpenAI's pricing page as it stood in late 2025; training prices have not been published since.
VALID_FROM = date(2025, 12, 1)
# Training, input, cached input, output.
PRICES = {
    "gpt-4.1-2025-04-14": ("25.00", "3.00", "0.75", "12.00"),
    "gpt-4.1-mini-2025-04-14": ("5.00", "0.80", "0.20", "3.20"),
    "gpt-4.1-nano-2025-04-14": ("1.50", "0.20", "0.05", "0.80"),
    "gpt-4o-2024-08-06": ("25.00", "3.75", "1.875", "15.00"),
    "gpt-4o-mini-2024-07-18": ("3.00", "0.30", "0.15", "1.20"),
    # Trained by the hour, which no number of tokens tells.
    "o4-mini-2025-04-16": (None, "4.00", "1.00", "16.00"),
    "gpt-3.5-turbo-0125": ("8.00", "3.00", None, "6.00"),
    "gpt-3.5-turbo-1106": ("8.00", "3.00", None, "6.00"),
}
RETIREMENTS = {
    "gpt-4.1-2025-04-14": date(2027, 1, 14),
    "gpt-4.1-mini-2025-04-14": date(2027, 1, 14),
    "gpt-4o-2024-08-06": date(2027, 1, 14),
    "gpt-4o-mini-2024-07-18": date(2027, 1, 14),
    "gpt-4.1-nano-2025-04-14": date(2026, 10, 23),
    "o4-mini-2025-04-16": date(2026, 10, 23),
    "gpt-3.5-turbo-0125": date(2026, 10, 23),
    "gpt-3.5-turbo-1106": date(2026, 9, 28),
}
# The sandbox rehearses what OpenAI would ask. What others ask for models of these names is not known.
PRICED_KINDS = ("openai", "sandbox")
RETIRING_KINDS = ("openai", "sandbox", "compatible")
COLUMNS = ("training_usd", "input_usd", "cached_input_usd", "output_usd")


def fill(apps, schema_editor):
    BasePrice = apps.get_model("finetuning", "BasePrice")
    BasePrice.objects.bulk_create(
        BasePrice(
            provider_kind=kind,
            base_model=name,
            valid_from=VALID_FROM,
            source_url=PRICING,
            **dict(zip(COLUMNS, (usd and Decimal(usd) for usd in prices))),
        )
        for kind in PRICED_KINDS
        for name, prices in PRICES.items()
    )
    BaseRetirement = apps.get_model("finetuning", "BaseRetirement")
    BaseRetirement.objects.bulk_create(
        BaseRetirement(provider_kind=kind, base_model=name, retires_on=day, source_url=DEPRECATIONS)
        for kind in RETIRING_KINDS
        for name, day in RETIREMENTS.items()
    )


def usd(words, **options):
    return models.DecimalField(words, blank=True, decimal_places=4, max_digits=12, null=True, **options)


KINDS = [
    ("sandbox", "Sandbox (trains nothing)"),
    ("openai", "OpenAI"),
    ("compatible", "OpenAI-compatible"),
]


class Migration(migrations.Migration):
    dependencies = [("finetuning", "0009_provider_traffic")]

    operations = [
        migrations.AddField(
            model_name="provideraccount",
            name="listed_models",
            field=models.JSONField(
                default=dict,
                editable=False,
                help_text="What the last check found offered: model -> announced last day, or null.",
            ),
        ),
        migrations.CreateModel(
            name="BasePrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider_kind", models.CharField(choices=KINDS, max_length=20)),
                ("base_model", models.CharField(help_text="As the provider calls it, without an alias.", max_length=200)),
                ("valid_from", models.DateField()),
                ("training_usd", usd("training", help_text="Per million tokens.")),
                ("input_usd", usd("input")),
                ("cached_input_usd", usd("cached input")),
                ("output_usd", usd("output")),
                ("source_url", models.URLField(help_text="Where the provider says so.", max_length=500, verbose_name="source")),
            ],
            options={
                "db_table": "base_prices",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider_kind", "base_model", "valid_from"), name="base_prices_one_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("training_usd__gte", 0), ("training_usd", None), _connector="OR"),
                        name="base_prices_training_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BaseRetirement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider_kind", models.CharField(choices=KINDS, max_length=20)),
                ("base_model", models.CharField(help_text="As the provider calls it, without an alias.", max_length=200)),
                ("retires_on", models.DateField(help_text="From this day on it answers no more.")),
                ("source_url", models.URLField(help_text="Where the provider says so.", max_length=500, verbose_name="source")),
            ],
            options={
                "db_table": "base_retirements",
                "constraints": [
                    models.UniqueConstraint(fields=("provider_kind", "base_model"), name="base_retirements_once")
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
