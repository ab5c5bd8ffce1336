from django.db import migrations

from finetuning.database import fixed_organization, same_organization, same_organization_as


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0001_initial'),
        ('finetuning', '0005_same_organization'),
    ]

    operations = [
        *[fixed_organization(table) for table in ('fine_tuning_datasets', 'conversations')],
        same_organization('fine_tuning_datasets', 'workspace_id', 'workspaces'),
        same_organization('conversations', 'workspace_id', 'workspaces'),
        same_organization_as(
            'training_examples', ('dataset_id', 'fine_tuning_datasets'), 'conversation_id', 'conversations'
        ),
    ]
