from datetime import date

from django.db import migrations

BASE_MODEL = "o4-mini-2025-04-16"


def forget(apps, schema_editor):
    BaseRetirement = apps.get_model("finetuning", "BaseRetirement")
    BaseRetirement.objects.filter(provider_kind="sandbox", base_model=BASE_MODEL).delete()


def restore(apps, schema_editor):
    apps.get_model("finetuning", "BaseRetirement").objects.create(
        provider_kind="sandbox",
        base_model=BASE_MODEL,
        retires_on=date(2026, 10, 23),
        source_url="https://platform.openai.com/docs/deprecations",
    )


class Migration(migrations.Migration):
    """The sandbox goes on with OpenAI's last base model for reinforcement: without one, nobody could try it."""

    dependencies = [("finetuning", "0012_spending_cap")]

    operations = [migrations.RunPython(forget, restore)]
