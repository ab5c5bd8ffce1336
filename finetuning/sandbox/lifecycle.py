"""Bring stored jobs up to the clock: read their files once, and write down what is there when they end.

Nothing runs by itself. Every request settles what is due before it is answered, so a sandbox that was off for
a while is right again with its next answer.
"""

import base64
import logging
import sqlite3

import msgspec

from finetuning.sandbox import deliveries, training
from finetuning.sandbox.examples import Analysis, Failure, analyse
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.timeline import (
    Job,
    checkpoint_name,
    load,
    real_seconds,
    result_file_id,
    wall_time,
)
from finetuning.sandbox.training import Hyperparameters, Method, Plan

logger = logging.getLogger(__name__)

# Reading this much text takes about a second; above it a request must not wait for the reading.
INLINE_BYTES = 2 << 20
MIN_EXAMPLES = 10


def settle(sandbox: Sandbox) -> None:
    """Plan and end every job whose time has come."""
    now = sandbox.now()
    with sandbox.store.read() as db:
        rows = db.execute(
            "SELECT * FROM jobs WHERE outcome IS NULL AND due_at <= ? ORDER BY due_at", [now]
        ).fetchall()
    for row in rows:
        _advance(sandbox, load(row), now)


def first_due_at(job_created_at: float, file_bytes: int, speed: float) -> float:
    """Return when the files of a new job have been looked at."""
    return job_created_at + training.validation_seconds(file_bytes) / speed


def _advance(sandbox: Sandbox, job: Job, now: float) -> None:
    if job.plan is None:
        plan = _make_plan(sandbox, job, now)
        if plan is None:
            return
        job = _save_plan(sandbox, job, plan)
    if job.plan is not None and job.outcome is None and wall_time(job, job.plan.finished_after) <= now:
        end(sandbox, job, wall_time(job, job.plan.finished_after))


def _make_plan(sandbox: Sandbox, job: Job, now: float) -> Plan | None:
    """Return the plan, or None while a large file is still being read in the background."""
    names = [name for name in ("training_file", "validation_file") if job.request.get(name)]
    size = sum(sandbox.store.training_path(job.request[name]).stat().st_size for name in names)
    validated_after = training.validation_seconds(size)
    found = [_analysis(sandbox, job.request[name], size) for name in names]
    if any(analysis is None for analysis in found):
        return None
    if size > INLINE_BYTES:
        validated_after = max(validated_after, real_seconds(job, now))
    analyses = dict(zip(names, [analysis for analysis in found if analysis is not None], strict=True))
    for name, analysis in analyses.items():
        if failure := _failure(job, name, analysis):
            return training.failed_plan(failure, job.method, validated_after=validated_after)
    return training.plan_training(
        job.method,
        _wanted(job),
        analyses["training_file"],
        analyses.get("validation_file"),
        seed=job.seed,
        validated_after=validated_after,
    )


def _analysis(sandbox: Sandbox, file_id: str, size: int) -> Analysis | None:
    with sandbox.store.read() as db:
        row = db.execute("SELECT body FROM analyses WHERE file_id = ?", [file_id]).fetchone()
    if row is not None:
        return msgspec.json.decode(row["body"], type=Analysis)
    if size <= INLINE_BYTES:
        return _analyse(sandbox, file_id)
    running = sandbox.analysing.get(file_id)
    if running is None or running.done():
        sandbox.analysing[file_id] = sandbox.background.submit(_analyse_in_background, sandbox, file_id)
    return None


def _analyse_in_background(sandbox: Sandbox, file_id: str) -> None:
    try:
        _analyse(sandbox, file_id)
    except Exception:
        # The next request tries again; without this line nobody would see why a job does not move.
        logger.exception("Reading %s failed.", file_id)


def _analyse(sandbox: Sandbox, file_id: str) -> Analysis:
    analysis = analyse(sandbox.store.training_path(file_id))
    with sandbox.store.write() as db:
        db.execute("INSERT OR REPLACE INTO analyses VALUES (?, ?)", [file_id, msgspec.json.encode(analysis)])
    return analysis


def _wanted(job: Job) -> Hyperparameters:
    given = (job.request.get("method") or {}).get(job.method) or {}
    asked = given.get("hyperparameters") or job.request.get("hyperparameters") or {}
    numbers = {
        name: asked[name]
        for name in Hyperparameters.__struct_fields__
        if asked.get(name) not in (None, "auto")
    }
    return Hyperparameters(**numbers)


def _failure(job: Job, name: str, analysis: Analysis) -> Failure | None:
    """Return why a file cannot be used for this job, in the vendor's words."""
    file_id = job.request[name]
    if analysis.failure is not None:
        return _for_file(analysis.failure, name)
    problem = _format_problem(analysis, job.method, file_id)
    if problem:
        message = f"The job failed due to an invalid training file. {problem}"
        return _for_file(Failure(code="invalid_training_file", message=message, param=name), name)
    if name == "training_file" and analysis.examples < MIN_EXAMPLES:
        found = f"Training file has {analysis.examples} example(s)"
        message = f"{found}, but must have at least {MIN_EXAMPLES} examples"
        return Failure(code="invalid_n_examples", message=message, param=name)
    return None


def _format_problem(analysis: Analysis, method: Method, file_id: str) -> str | None:
    needed = "preference" if method == "dpo" else "chat"
    if analysis.format != needed and analysis.format in ("chat", "preference"):
        fitting = "supervised" if analysis.format == "chat" else "dpo"
        return (
            f"Input file {file_id} is in the fine-tune-{analysis.format} format, but the specified "
            f"fine-tuning job is not using '{fitting}' as the training method (provided method={method}). "
        )
    if analysis.format == "completion":
        return "Unexpected file format, expected chat messages, found prompt/completion pairs."
    if method == "supervised" and analysis.no_reply_at is not None:
        return f"Invalid file format. Example {analysis.no_reply_at} has no message from the assistant"
    return None


def _for_file(failure: Failure, name: str) -> Failure:
    if name == "training_file":
        return failure
    return Failure(
        code=failure.code.replace("training", "validation"),
        message=failure.message.replace("training file", "validation file"),
        param=name,
    )


def _save_plan(sandbox: Sandbox, job: Job, plan: Plan) -> Job:
    """Store the plan unless another thread was first, and return the job as it is stored."""
    with sandbox.store.write() as db:
        due_at = wall_time(job, plan.finished_after)
        db.execute(
            "UPDATE jobs SET plan = ?, due_at = ? WHERE id = ? AND plan IS NULL AND outcome IS NULL",
            [msgspec.json.encode(plan), due_at, job.id],
        )
        return load(db.execute("SELECT * FROM jobs WHERE id = ?", [job.id]).fetchone())


def end(sandbox: Sandbox, job: Job, at: float) -> None:
    """Write the outcome, the models and the result file, and queue the webhooks: all or nothing, once."""
    outcome = "failed" if job.plan and job.plan.failure else "succeeded"
    size = _write_result_file(sandbox, job) if outcome == "succeeded" else 0
    with sandbox.store.write() as db:
        ended = db.execute(
            "UPDATE jobs SET outcome = ?, ended_at = ?, due_at = NULL"
            " WHERE id = ? AND outcome IS NULL RETURNING *",
            [outcome, at, job.id],
        ).fetchone()
        if ended is None:
            return
        if outcome == "succeeded":
            _insert_results(db, load(ended), at, size)
        deliveries.queue(db, job.id, f"fine_tuning.job.{outcome}", at)


def _write_result_file(sandbox: Sandbox, job: Job) -> int:
    plan = job.plan
    text = training.result_csv(plan, job.seed) if plan else ""
    # The vendor's result files hold base64 text (openai-cookbook reads them so).
    return sandbox.store.file_path(result_file_id(job)).write_bytes(base64.b64encode(text.encode()))


def _insert_results(db: sqlite3.Connection, job: Job, at: float, result_bytes: int) -> None:
    file_id = result_file_id(job)
    db.execute(
        "INSERT OR IGNORE INTO files (id, created_at, filename, purpose, bytes) VALUES (?, ?, ?, ?, ?)",
        [file_id, at, "step_metrics.csv", "fine-tune-results", result_bytes],
    )
    steps = training.checkpoint_steps(job.plan) if job.plan else []
    for position, step in enumerate(steps):
        # Only the model itself is listed; a checkpoint answers when it is called by its name.
        db.execute(
            "INSERT OR IGNORE INTO models (id, created_at, base, training_file, step) VALUES (?, ?, ?, ?, ?)",
            [
                checkpoint_name(job, step),
                at,
                job.base,
                job.request["training_file"],
                step if position else None,
            ],
        )
