from django.db import migrations

from finetuning.database import fixed_organization


class Migration(migrations.Migration):

    dependencies = [
        ('finetuning', '0007_limits_and_idempotency'),
    ]

    operations = [
        fixed_organization('memberships'),
    ]
