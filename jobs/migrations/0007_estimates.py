from django.db import migrations, models


def usd():
    return models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_engine")]

    operations = [
        migrations.AddField("job", "estimated_low_usd", usd()),
        migrations.AddField("job", "estimated_high_usd", usd()),
        migrations.AddField(
            "job",
            "estimated_tokens",
            models.BigIntegerField(blank=True, help_text="Of all epochs together.", null=True),
        ),
    ]
