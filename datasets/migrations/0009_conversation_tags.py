from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0008_corrected_answer'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='tags',
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text='Words to find it by.',
            ),
        ),
    ]
