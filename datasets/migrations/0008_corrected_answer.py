from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0007_versions'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='corrected_answer',
            field=models.TextField(
                blank=True, default='', db_default='', help_text='What should have been answered.'
            ),
        ),
    ]
