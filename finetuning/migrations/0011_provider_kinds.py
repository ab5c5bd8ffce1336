from django.db import migrations, models

KINDS = [
    ("sandbox", "Sandbox (trains nothing)"),
    ("openai", "OpenAI"),
    ("azure", "Azure AI Foundry"),
    ("nebius", "Nebius Token Factory"),
    ("compatible", "OpenAI-compatible"),
]


def kind():
    return models.CharField(choices=KINDS, max_length=20)


class Migration(migrations.Migration):
    dependencies = [("finetuning", "0010_price_book")]

    operations = [
        migrations.AlterField("provideraccount", "kind", kind()),
        migrations.AlterField("baseprice", "provider_kind", kind()),
        migrations.AlterField("baseretirement", "provider_kind", kind()),
    ]
