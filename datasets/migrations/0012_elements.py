from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('datasets', '0011_results_uncompressed'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainingexample',
            name='element',
            field=models.IntegerField(help_text='Its number in a JSON array, from 0.', null=True),
        ),
        migrations.AddField(
            model_name='datasetproblem',
            name='element',
            field=models.IntegerField(help_text='The number in a JSON array, from 0.', null=True),
        ),
    ]
