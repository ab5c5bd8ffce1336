"""What was promised, against the rows and the provider's ledger. Only whole-system rules, after the healing."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from tests.chaos.history import RANKS

FINAL = frozenset(status for status, rank in RANKS.items() if rank == max(RANKS.values()))

JOBS = """
SELECT id::text, status, provider_job_id, cancel_requested_at IS NOT NULL AS cancel_requested,
    ARRAY(SELECT provider_model_id FROM fine_tuned_models WHERE job_id = fine_tuning_jobs.id) AS models,
    format('attempts %s, retries %s, looks %s, now %s, next check %s, lease until %s, intent %s, last said: %s',
        attempts, retries, looks_without_match, now(), next_check_at, lease_until, create_intent_at,
        (SELECT message FROM fine_tuning_events WHERE job_id = fine_tuning_jobs.id
         ORDER BY created_at DESC, id DESC LIMIT 1)) AS standing
FROM fine_tuning_jobs
"""
DATASETS = "SELECT id::text, status, total_examples AS examples FROM fine_tuning_datasets"


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job as the product shows it. `models` are the provider's names of what it made, `standing` tells
    where its queue has it."""

    id: str
    status: str
    provider_job_id: str | None
    cancel_requested: bool
    models: list[str]
    standing: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """A dataset as the product shows it."""

    id: str
    status: str
    examples: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One accepted create at the provider, from its ledger. `reference` is the product's job."""

    id: str
    reference: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Which jobs and datasets broke which promise, by id, with a word on each."""

    lost: Mapping[str, str]
    trained_twice: Mapping[str, str]
    models_doubled: Mapping[str, str]
    stuck: Mapping[str, str]
    wrong_state: Mapping[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many broke each promise."""
        return {promise: len(found) for promise, found in vars(self).items()}

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.counts.values())


def read_jobs(database: psycopg.Connection) -> list[JobRow]:
    """Every job in the database."""
    with database.cursor(row_factory=class_row(JobRow)) as cursor:
        return cursor.execute(JOBS).fetchall()


def read_datasets(database: psycopg.Connection) -> list[DatasetRow]:
    """Every dataset in the database."""
    with database.cursor(row_factory=class_row(DatasetRow)) as cursor:
        return cursor.execute(DATASETS).fetchall()


def read_ledger(url: str) -> list[Run]:
    """What really happened at the provider."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer sk-judge"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        entries = json.load(answer)["jobs"]
    return [
        Run(id=entry["id"], reference=entry["metadata"]["ft_job"], status=entry["status"])
        for entry in entries
    ]


def judge(
    *,
    accepted: Iterable[str],
    jobs: Iterable[JobRow],
    runs: Iterable[Run],
    examples: Mapping[str, int],
    datasets: Iterable[DatasetRow],
    history: Mapping[str, str],
) -> Verdict:
    """Hold the rows against the ledger.

    `accepted` are the jobs that were answered with 201, `examples` the number of examples of each dataset
    that was, and `history` what `history.violations` found.
    """
    jobs, runs, datasets = list(jobs), list(runs), list(datasets)
    rows = {row.id for row in [*jobs, *datasets]}
    return Verdict(
        lost={id: "answered with 201, and no row" for id in [*accepted, *examples] if id not in rows},
        trained_twice=_trained_twice(runs),
        models_doubled=_models_doubled(jobs),
        stuck=_stuck(jobs, datasets),
        wrong_state=dict(history) | _wrong_jobs(jobs, runs) | _wrong_datasets(datasets, examples),
    )


def _trained_twice(runs):
    """Stricter than its name: a second run counts although it was cancelled before it trained."""
    counts = Counter(run.reference for run in runs)
    return {reference: f"{count} runs at the provider" for reference, count in counts.items() if count > 1}


def _models_doubled(jobs):
    counts = Counter(model for job in jobs for model in job.models)
    return {
        job.id: f"its models: {', '.join(job.models)}"
        for job in jobs
        if len(job.models) > 1 or any(counts[model] > 1 for model in job.models)
    }


def _stuck(jobs, datasets):
    waiting = {job.id: f"still {job.status}; {job.standing}" for job in jobs if job.status not in FINAL}
    return waiting | {row.id: "still being read" for row in datasets if row.status == "processing"}


def _wrong_jobs(jobs, runs):
    by_id = {run.id: run for run in runs}
    by_reference = {run.reference: run for run in runs}
    found = {job.id: _wrong(job, by_id.get(job.provider_job_id), by_reference) for job in jobs}
    return {job: wrong for job, wrong in found.items() if wrong}


def _wrong(job, run, by_reference):
    if job.status not in FINAL:
        return None
    if (job.status == "succeeded") != bool(job.models):
        return f"{job.status} with {len(job.models)} models"
    if run is None:
        return _wrong_without_run(job, by_reference)
    if run.reference != job.id:
        return f"it follows the run of job {run.reference}"
    return None if run.status == job.status else f"{job.status} here, {run.status} at the provider"


def _wrong_without_run(job, by_reference):
    """A job that never had a run may only be cancelled, and then the provider must not have one."""
    if job.provider_job_id:
        return f"the provider does not know {job.provider_job_id}"
    if job.id in by_reference:
        return f"{job.status} here, and the provider has {by_reference[job.id].id}"
    return None if job.status == "cancelled" else f"{job.status} before it reached the provider"


def _wrong_datasets(datasets, examples):
    """One whose answer never arrived has no expected number, but must be valid as well."""
    expected = {row.id: ("valid", examples.get(row.id, row.examples)) for row in datasets}
    return {
        row.id: f"{row.status} with {row.examples} of {expected[row.id][1]} examples"
        for row in datasets
        if row.status != "processing" and (row.status, row.examples) != expected[row.id]
    }
