import django.db.models.deletion
import django.utils.timezone
import finetuning.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('finetuning', '0017_second_factor'),
        ('sessions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='PageSession',
            fields=[
                ('id', models.UUIDField(default=finetuning.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('began_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('user_agent', models.CharField(blank=True, max_length=300)),
                ('session', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='page_session', to='sessions.session')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='page_sessions', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'page_sessions',
            },
        ),
        # No constraint of Django's: the code before this release deletes sessions too, and knows no such row.
        migrations.RunSQL(
            'ALTER TABLE page_sessions ADD CONSTRAINT page_sessions_go_with_their_session FOREIGN KEY (session_id) '
            'REFERENCES django_session (session_key) ON DELETE CASCADE;',
            'ALTER TABLE page_sessions DROP CONSTRAINT page_sessions_go_with_their_session;',
        ),
    ]
