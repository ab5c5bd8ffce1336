"""Every change of a job's row as the database committed it, and the rules that it must have kept."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg.rows import class_row

# A status may only go to one of a higher rank.
RANKS = {
    "pending": 0,
    "validating": 1,
    "queued": 2,
    "running": 3,
    "succeeded": 4,
    "failed": 4,
    "cancelled": 4,
}

RECORDER = """
CREATE TABLE chaos_history (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), actor integer NOT NULL DEFAULT pg_backend_pid(),
    job uuid NOT NULL, before text, after text NOT NULL,
    progress_before double precision, progress_after double precision NOT NULL, provider_job text);
CREATE FUNCTION chaos_record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_history (job, before, after, progress_before, progress_after, provider_job) VALUES (
        NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.progress_percentage END, NEW.progress_percentage,
        NEW.provider_job_id);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_created AFTER INSERT ON fine_tuning_jobs FOR EACH ROW EXECUTE FUNCTION chaos_record();
CREATE TRIGGER chaos_changed AFTER UPDATE ON fine_tuning_jobs FOR EACH ROW
    WHEN ((OLD.status, OLD.progress_percentage, OLD.provider_job_id)
          IS DISTINCT FROM (NEW.status, NEW.progress_percentage, NEW.provider_job_id))
    EXECUTE FUNCTION chaos_record();
"""
CHANGES = """
SELECT version, at::text, actor, job::text, before, after, progress_before, progress_after, provider_job
FROM chaos_history ORDER BY version
"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One committed change of one job. `actor` is the database session; `before` is None for a new row."""

    version: int
    at: str
    actor: int
    job: str
    before: str | None
    after: str
    progress_before: float | None
    progress_after: float
    provider_job: str | None


def record(database: psycopg.Connection) -> None:
    """Have the database keep every change of a job from now on, in the transaction that makes it."""
    database.execute(RECORDER)


def read(database: psycopg.Connection) -> list[Change]:
    """All changes so far; those of one job are in the order in which they were made."""
    with database.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(CHANGES).fetchall()


def keep(changes: Iterable[Change], path: Path) -> None:
    """Write the changes to a file, one JSON object per line."""
    path.write_text("".join(json.dumps(asdict(change)) + "\n" for change in changes))


def violations(changes: Iterable[Change]) -> dict[str, str]:
    """What the history of each job did wrong first, by job; empty when every rule was kept."""
    by_job = defaultdict(list)
    for change in changes:
        by_job[change.job].append(change)
    found = {job: next(_wrongs(own), None) for job, own in by_job.items()}
    return {job: wrong for job, wrong in found.items() if wrong}


def _wrongs(changes):
    if changes[0].before is not None:
        yield f"version {changes[0].version}: it was changed before it was made"
    for last, change in zip([None, *changes], changes, strict=False):
        if last and (last.after, last.progress_after) != (change.before, change.progress_before):
            yield f"version {change.version}: it does not follow version {last.version}"
        if wrong := _wrong(last, change):
            yield f"version {change.version}: {wrong}"


def _wrong(last, change):
    if change.before and change.before != change.after and RANKS[change.after] <= RANKS[change.before]:
        return f"the status went from {change.before} to {change.after}"
    if change.progress_before is not None and change.progress_after < change.progress_before:
        return f"progress fell from {change.progress_before} to {change.progress_after}"
    if last and last.provider_job and change.provider_job != last.provider_job:
        return f"the provider's job changed from {last.provider_job} to {change.provider_job}"
    return None
