"""Many rows like one that is there already, made in the database, whatever columns its table has."""

from typing import Any

from django.db import connection
from django.db.models import Model

# Without triggers for each row, the numbers are written once for all.
COUNTED = {
    "fine_tuning_datasets": "datasets",
    "conversations": "conversations",
    "fine_tuning_jobs": "jobs",
    "fine_tuned_models": "models",
}
NUMBERS = """
    DELETE FROM stat_changes WHERE subject = '{subject}' AND organization_id = %(organization)s;
    INSERT INTO stat_changes (organization_id, workspace_id, subject, measure, key, amount)
    SELECT organization_id, workspace_id, '{subject}', measure, key, sum(amount)
    FROM {table}, {table}_counts({table}) WHERE organization_id = %(organization)s
    GROUP BY organization_id, workspace_id, measure, key
"""


def copy_row(row: Model, count: int, **columns: str) -> None:
    """`count` more rows like `row`. What is otherwise is SQL, in which `nth` counts from 1.

    An `id` of its own each has anyway; what names the row itself, such as the first of a series, is given.
    """
    table = row._meta.db_table
    key = row._meta.pk
    assert key is not None
    new_id = (
        "gen_random_uuid()"
        if key.get_internal_type() == "UUIDField"
        else f"nextval(pg_get_serial_sequence('{table}', 'id'))"
    )
    changed = ", ".join(f"'{name}', {value}" for name, value in columns.items())
    copies = f"""
        INSERT INTO {table}
        SELECT copied.* FROM {table} original,
            LATERAL (SELECT nth, {new_id} AS id FROM generate_series(1, %(count)s) nth) new,
            LATERAL jsonb_populate_record(NULL::{table}, to_jsonb(original) || jsonb_build_object(
                'id', new.id {"," if changed else ""} {changed}
            )) copied
        WHERE original.id = %(id)s
    """
    _run(copies, {"id": row.pk, "count": count})


def give_models(model: Model) -> None:
    """A model like `model` for each job of its organization that succeeded and has none."""
    table = model._meta.db_table
    copies = f"""
        INSERT INTO {table}
        SELECT copied.* FROM {table} original, fine_tuning_jobs job,
            LATERAL jsonb_populate_record(NULL::{table}, to_jsonb(original) || jsonb_build_object(
                'id', gen_random_uuid(), 'job_id', job.id, 'name', job.name, 'created_at', job.created_at,
                'provider_model_id', 'ft:' || job.id
            )) copied
        WHERE original.id = %(id)s AND job.organization_id = original.organization_id
            AND job.status = 'succeeded' AND NOT EXISTS (SELECT FROM {table} made WHERE made.job_id = job.id)
    """
    _run(copies, {"id": model.pk})


def count_again(organization: Model) -> None:
    """Write down the numbers of what was copied."""
    for table, subject in COUNTED.items():
        _run(NUMBERS.format(table=table, subject=subject), {"organization": organization.pk})


def _run(sql: str, parameters: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, parameters)
        cursor.execute("RESET session_replication_role")
