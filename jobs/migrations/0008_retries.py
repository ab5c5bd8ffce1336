import django.db.models.deletion
from django.db import migrations, models

from finetuning.database import same_organization


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_estimates")]

    operations = [
        migrations.AddField("job", "queued_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "job",
            "error_evidence",
            models.JSONField(
                blank=True,
                default=list,
                help_text='Where the error is in the dataset: [{"example": 3, "line": 4}], both from 1.',
            ),
        ),
        migrations.AddField(
            "job",
            "retried_from",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="retries_of",
                to="jobs.job",
            ),
        ),
        same_organization("fine_tuning_jobs", "retried_from_id", "fine_tuning_jobs"),
    ]
