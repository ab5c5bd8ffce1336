from django.db import migrations, models
from django.db.models import F

# Until now the price of tokens that nobody knew counted as 0.
UNPRICED = """
    UPDATE usage_days SET unpriced_tokens = prompt_tokens + completion_tokens WHERE price_usd = 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0006_usage'),
    ]

    operations = [
        migrations.AddField(
            model_name='usageday',
            name='unpriced_tokens',
            field=models.BigIntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name='usagebatch',
            name='refused_calls',
            field=models.IntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name='usagebatch',
            name='reason',
            field=models.CharField(max_length=200, blank=True, default='', db_default=''),
        ),
        migrations.AlterModelOptions(
            name='usagebatch',
            options={'verbose_name_plural': 'usage batches'},
        ),
        migrations.RunSQL(UNPRICED, migrations.RunSQL.noop),
    ]
