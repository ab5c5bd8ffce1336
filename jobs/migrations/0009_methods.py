import django.db.models.deletion
from django.db import migrations, models

from finetuning.database import same_organization


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0008_retries"),
        ("models_registry", "0005_list_indexes"),
    ]

    operations = [
        migrations.AddField("job", "metadata", models.JSONField(blank=True, default=dict)),
        migrations.AddField(
            "job",
            "grader",
            models.JSONField(blank=True, default=dict, help_text="What scores answers in reinforcement."),
        ),
        migrations.AddField(
            "job",
            "start_model",
            models.CharField(
                blank=True,
                help_text="Of which tuned model or checkpoint it goes on; empty: of the base model.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            "job",
            "checkpoints",
            models.JSONField(
                blank=True, default=list, help_text="What was kept on the way: id, model_id, step, metrics."
            ),
        ),
        migrations.AddField(
            "job",
            "parent_model",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="continuing_jobs",
                to="models_registry.finetunedmodel",
            ),
        ),
        same_organization("fine_tuning_jobs", "parent_model_id", "fine_tuned_models"),
    ]
