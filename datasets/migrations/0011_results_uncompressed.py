from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ('datasets', '0010_examples_uncompressed'),
    ]

    operations = [
        # Nearly all of a result are hashes, which the server tried in vain to make smaller.
        migrations.RunSQL(
            "ALTER TABLE dataset_ranges ALTER COLUMN result SET STORAGE EXTERNAL",
            "ALTER TABLE dataset_ranges ALTER COLUMN result SET STORAGE EXTENDED",
        ),
    ]
