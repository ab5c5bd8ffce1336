from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ('datasets', '0009_conversation_tags'),
    ]

    operations = [
        # PostgreSQL's own compression takes as long as everything else about a row together. Where lz4 is not
        # there to take its place (0005), only what does not fit into a page is compressed: examples need half as
        # much again of the disk.
        migrations.RunSQL(
            """
            DO $$ BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_attribute
                    WHERE attrelid = 'training_examples'::regclass AND attname = 'messages' AND attcompression = 'l'
                ) THEN
                    ALTER TABLE training_examples SET (toast_tuple_target = 8160);
                END IF;
            END $$
            """,
            "ALTER TABLE training_examples RESET (toast_tuple_target)",
        ),
    ]
