import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('finetuning', '0011_provider_kinds'),
    ]

    operations = [
        migrations.AddField(
            model_name='organization',
            name='monthly_cap_usd',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='What calls of the gateway may cost in a month (UTC). Empty: no limit.', max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='organization',
            name='cap_warned_on',
            field=models.DateField(editable=False, null=True),
        ),
    ]
