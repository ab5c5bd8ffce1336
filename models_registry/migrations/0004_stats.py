from django.db import migrations

from finetuning.database import counted


class Migration(migrations.Migration):

    dependencies = [
        ('finetuning', '0006_stats'),
        ('models_registry', '0003_same_organization'),
    ]

    operations = [
        counted(
            'fine_tuned_models',
            subject='models',
            counts="""
                ('status', $1.status, 1), ('deployed', '', $1.deployed::int),
                ('provider', $1.provider_account_id::text, 1), ('base_model', $1.base_model, 1),
                ('requests', '', $1.total_requests), ('latency_ms', '', $1.total_latency_ms),
                ('tokens_used', '', $1.total_prompt_tokens + $1.total_completion_tokens)
            """,
            only_if='$1.deleted_at IS NULL',
            columns=[
                'workspace_id', 'status', 'deployed', 'provider_account_id', 'base_model', 'total_requests',
                'total_latency_ms', 'total_prompt_tokens', 'total_completion_tokens', 'deleted_at',
            ],
        ),
    ]
