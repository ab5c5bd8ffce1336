from django.db import migrations

from finetuning.database import counted


class Migration(migrations.Migration):

    dependencies = [
        ('finetuning', '0006_stats'),
        ('datasets', '0002_same_organization'),
    ]

    operations = [
        counted(
            'fine_tuning_datasets',
            subject='datasets',
            counts="""
                ('status', $1.status, 1), ('format', $1.format, 1), ('source', $1.source, 1),
                ('examples', '', $1.total_examples), ('tokens', '', $1.total_tokens),
                ('size_bytes', '', $1.file_size_bytes)
            """,
            only_if='$1.deleted_at IS NULL',
            columns=[
                'workspace_id', 'status', 'format', 'source', 'total_examples', 'total_tokens',
                'file_size_bytes', 'deleted_at',
            ],
        ),
        counted(
            'conversations',
            subject='conversations',
            counts="('recorded', '', 1)",
            only_if='true',
            columns=['workspace_id'],
        ),
    ]
