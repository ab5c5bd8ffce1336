from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside the requests cannot be built in a transaction.
    atomic = False

    dependencies = [
        ("jobs", "0009_methods"),
    ]

    operations = [
        AddIndexConcurrently(
            "jobevent",
            models.Index(
                condition=~models.Q(event_type="metrics"),
                fields=["job", "event_type", "-created_at", "-id"],
                name="job_events_said",
            ),
        ),
    ]
