from django.db import migrations

# The table of jobs/states.py as it stood when this was written; a test compares the two.
CREATE = """
CREATE FUNCTION jobs_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'validating'), ('pending', 'failed'), ('pending', 'cancelled'),
        ('validating', 'queued'), ('validating', 'failed'), ('validating', 'cancelled'),
        ('queued', 'running'), ('queued', 'succeeded'), ('queued', 'failed'), ('queued', 'cancelled'),
        ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled')
    ) THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_go_forward', TABLE = 'fine_tuning_jobs';
    END IF;
    IF NEW.progress_percentage < OLD.progress_percentage THEN
        RAISE EXCEPTION 'the progress of job % cannot fall from % to %', OLD.id, OLD.progress_percentage,
            NEW.progress_percentage
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_go_forward', TABLE = 'fine_tuning_jobs';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER jobs_go_forward BEFORE UPDATE ON fine_tuning_jobs FOR EACH ROW
    WHEN (NEW.status <> OLD.status OR NEW.progress_percentage < OLD.progress_percentage)
    EXECUTE FUNCTION jobs_go_forward();
"""
DROP = "DROP TRIGGER jobs_go_forward ON fine_tuning_jobs; DROP FUNCTION jobs_go_forward();"


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0002_same_organization'),
    ]

    operations = [
        migrations.RunSQL(CREATE, DROP),
    ]
