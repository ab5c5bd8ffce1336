"""A job at a moment: status, events, checkpoints. Computed from the stored row and the clock."""

import json
import math
import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from finetuning.sandbox import training
from finetuning.sandbox.http import Json
from finetuning.sandbox.store import derived_id
from finetuning.sandbox.training import Plan

TERMINAL = ("succeeded", "failed", "cancelled")
NOTE = "Sandbox: nothing is trained. Times are compressed and losses are computed from the file."


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of ``jobs``. Times are Unix seconds; ``plan`` is None until the files have been read.

    ``pauses`` are pairs of start and end, the last end None while the job is paused. ``outcome`` and
    ``ended_at`` are set once, when the job is over.
    """

    id: str
    created_at: float
    request: Json
    base: str
    metadata: dict[str, str] | None
    seed: int
    speed: float
    plan: Plan | None
    pauses: list[list[float | None]]
    outcome: str | None
    ended_at: float | None
    cancels: int

    @property
    def is_paused(self) -> bool:
        """Whether the last pause has no end yet."""
        return bool(self.pauses) and self.pauses[-1][1] is None

    @property
    def method(self) -> training.Method:
        """The training method; supervised when the request names none."""
        method: training.Method = (self.request.get("method") or {}).get("type", "supervised")
        return method


def load(row: sqlite3.Row) -> Job:
    """Return the job of a row."""
    return Job(
        id=row["id"],
        created_at=row["created_at"],
        request=msgspec.json.decode(row["request"]),
        base=row["base"],
        metadata=json.loads(row["metadata"]) if row["metadata"] else None,
        seed=row["seed"],
        speed=row["speed"],
        plan=msgspec.json.decode(row["plan"], type=Plan) if row["plan"] else None,
        pauses=json.loads(row["pauses"]),
        outcome=row["outcome"],
        ended_at=row["ended_at"],
        cancels=row["cancels"],
    )


def real_seconds(job: Job, now: float) -> float:
    """Return how long a plausible vendor would have worked on the job by ``now``, pauses left out."""
    now = min(now, job.ended_at) if job.ended_at is not None else now
    paused = sum(
        (min(now, end) if end is not None else now) - start for start, end in job.pauses if start is not None
    )
    return max(0.0, now - job.created_at - paused) * job.speed


def wall_time(job: Job, real: float) -> float:
    """Return the Unix time at which the job has been worked on for ``real`` seconds; inf while paused."""
    wall = job.created_at + real / job.speed
    for start, end in job.pauses:
        if start is not None and start < wall:
            wall = math.inf if end is None else wall + end - start
    return wall


def status(job: Job, now: float) -> str:
    """Return the vendor's status word."""
    if job.outcome is not None:
        return job.outcome
    if job.is_paused:
        return "paused"
    elapsed = real_seconds(job, now)
    if job.plan is None or elapsed < job.plan.validated_after:
        return "validating_files"
    return "queued" if elapsed < job.plan.started_after else "running"


def billed_tokens(job: Job, now: float) -> int:
    """Return the tokens of the steps that were done: what the vendor would bill, also for a cancelled job."""
    if job.plan is None or not job.plan.steps:
        return 0
    return job.plan.trained_tokens * _steps_done(job, job.plan, now) // job.plan.steps


def _steps_done(job: Job, plan: Plan, now: float) -> int:
    # Said by the outcome: rounded times could leave the last step out.
    return plan.steps if job.outcome == "succeeded" else training.steps_done(plan, real_seconds(job, now))


def was_trained(job: Job, now: float) -> bool:
    """Return whether the job ever reached its training."""
    plan = job.plan
    return plan is not None and plan.steps > 0 and real_seconds(job, now) >= plan.started_after


def model_name(job: Job) -> str:
    """Return the id of the model that the job makes."""
    return _model_name(job, derived_id("", 8, job.id))


def checkpoint_name(job: Job, step: int) -> str:
    """Return the id of a checkpoint; that of the last step is the model itself."""
    if job.plan is not None and step == job.plan.steps:
        return model_name(job)
    return _model_name(job, f"{derived_id('', 8, job.id, step)}:ckpt-step-{step}")


def _model_name(job: Job, ending: str) -> str:
    suffix = "".join(
        char if char.isascii() and char.isalnum() else "-" for char in job.request.get("suffix") or ""
    )
    return f"ft:{job.base}:sandbox:{suffix}:{ending}"


def result_file_id(job: Job) -> str:
    """Return the id of the job's result file."""
    return derived_id("file-", 22, job.id, "result")


def checkpoints(job: Job) -> list[Json]:
    """Return the kept checkpoints of a succeeded job, newest first."""
    if job.plan is None or job.outcome != "succeeded":
        return []
    return [
        {
            "id": derived_id("ftckpt_", 24, job.id, step),
            "object": "fine_tuning.job.checkpoint",
            "created_at": int(wall_time(job, training.step_seconds(job.plan, step))),
            "fine_tuned_model_checkpoint": checkpoint_name(job, step),
            "fine_tuning_job_id": job.id,
            "metrics": training.metrics_at(job.plan, job.seed, step),
            "step_number": step,
        }
        for step in training.checkpoint_steps(job.plan)
    ]


def events(job: Job, now: float) -> list[Json]:
    """Return all events up to ``now``, newest first. An event keeps its id and place from read to read."""
    until = min(now, job.ended_at) if job.ended_at is not None else now
    found = [*_opening(job), *_training_events(job, until), *_pause_events(job), *_closing(job)]
    past = [event for event in found if event[0] <= until]
    past.sort(key=lambda event: event[0])
    return [_event_object(job, event) for event in reversed(past)]


Event = tuple[float, str, str, str, Json | None]


def _opening(job: Job) -> list[Event]:
    validation = job.request.get("validation_file")
    files = f"training file: {job.request['training_file']}"
    files += f" and validation file: {validation}" if validation else ""
    started: list[Event] = [
        (job.created_at, "created", "info", f"Created fine-tuning job: {job.id}", None),
        (job.created_at, "sandbox", "info", NOTE, None),
        (job.created_at, "validating", "info", f"Validating {files}", None),
    ]
    if job.plan is None or job.plan.failure is not None:
        return started
    return [
        *started,
        (
            wall_time(job, job.plan.validated_after),
            "validated",
            "info",
            "Files validated, moving job to queued state",
            None,
        ),
        (wall_time(job, job.plan.started_after), "started", "info", "Fine-tuning job started", None),
    ]


def _training_events(job: Job, until: float) -> list[Event]:
    plan = job.plan
    if plan is None or not plan.steps:
        return []
    done = _steps_done(job, plan, until)
    found: list[Event] = []
    for step in training.sampled_steps(plan, training.MAX_METRIC_EVENTS):
        if step > done:
            break
        at = min(wall_time(job, training.step_seconds(plan, step)), until)
        metrics = training.metrics_at(plan, job.seed, step)
        found.append(
            (at, f"step-{step}", "info", _step_message(plan, metrics), {"total_steps": plan.steps, **metrics})
        )
        if step in training.checkpoint_steps(plan)[1:]:
            name = checkpoint_name(job, step)
            text = f"Checkpoint created at step {step} with Snapshot ID: {name}"
            found.append((at, f"checkpoint-{step}", "info", text, None))
    return found


def _step_message(plan: Plan, metrics: training.Metrics) -> str:
    named = {
        "train_loss": "training loss",
        "valid_loss": "validation loss",
        "full_valid_loss": "full validation loss",
        "train_mean_reward": "mean reward",
    }
    parts = [f"{label}={metrics[name]:.2f}" for name, label in named.items() if name in metrics]
    return f"Step {metrics['step']}/{plan.steps}: " + ", ".join(parts)


def _pause_events(job: Job) -> list[Event]:
    found: list[Event] = []
    for start, end in job.pauses:
        if start is not None:
            found.append((start, f"paused-{start}", "info", "Fine-tuning job paused", None))
        if end is not None:
            found.append((end, f"resumed-{end}", "info", "Fine-tuning job resumed", None))
    return found


def _closing(job: Job) -> list[Event]:
    if job.ended_at is None:
        return []
    if job.outcome == "cancelled":
        return [(job.ended_at, "cancelled", "info", "Fine-tuning job cancelled", None)]
    if job.outcome == "failed":
        message = job.plan.failure.message if job.plan and job.plan.failure else ""
        return [(job.ended_at, "failed", "error", message, None)]
    return [
        (job.ended_at, "model", "info", f"New fine-tuned model created: {model_name(job)}", None),
        (job.ended_at, "succeeded", "info", "The job has successfully completed", None),
    ]


def _event_object(job: Job, event: Event) -> Json:
    at, key, level, message, data = event
    return {
        "id": derived_id("ftevent-", 24, job.id, key),
        "object": "fine_tuning.job.event",
        "created_at": int(at),
        "level": level,
        "message": message,
        "type": "message" if data is None else "metrics",
        "data": data if data is not None else {},
    }


def job_object(job: Job, now: float, dialect: str) -> Json:
    """Return the vendor's JSON of a job in the given dialect.

    ``observed`` sends ``error: {}`` on healthy jobs, no top-level hyperparameters for DPO and reinforcement,
    and the undocumented status ``paused``; ``spec`` keeps to the documented types.
    """
    word = status(job, now)
    running = word == "running" and job.plan is not None
    succeeded = word == "succeeded" and job.plan is not None
    finish = wall_time(job, job.plan.finished_after) if running and job.plan else None
    failure = job.plan.failure if job.plan and word == "failed" else None
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "created_at": int(job.created_at),
        "finished_at": int(job.ended_at) if job.ended_at is not None and word != "failed" else None,
        "estimated_finish": int(finish) if finish is not None else None,
        "model": job.request["model"],
        "fine_tuned_model": model_name(job) if succeeded else None,
        "organization_id": "org-sandbox",
        "status": "running" if word == "paused" and dialect == "spec" else word,
        "training_file": job.request["training_file"],
        "validation_file": job.request.get("validation_file"),
        "result_files": [result_file_id(job)] if succeeded else [],
        "trained_tokens": job.plan.trained_tokens if succeeded and job.plan else None,
        "seed": job.seed,
        "error": _error_object(failure, dialect),
        "hyperparameters": _top_hyperparameters(job, dialect),
        "method": _method_object(job),
        "metadata": job.metadata,
        "integrations": [_integration(given) for given in job.request.get("integrations") or []],
        "user_provided_suffix": job.request.get("suffix"),
    }


def _error_object(failure: Any, dialect: str) -> Json | None:
    if failure is not None:
        return {"code": failure.code, "message": failure.message, "param": failure.param}
    return None if dialect == "spec" else {}


def _resolved(job: Job) -> Json:
    """Return the hyperparameters: as asked until the files are read, then what ``auto`` became."""
    given = (job.request.get("method") or {}).get(job.method) or {}
    asked = given.get("hyperparameters") or job.request.get("hyperparameters") or {}
    names = ["n_epochs", "batch_size", "learning_rate_multiplier", *(["beta"] if job.method == "dpo" else [])]
    plan = job.plan if job.plan and job.plan.failure is None else None
    resolved = {name: getattr(plan, name) if plan else asked.get(name, "auto") for name in names}
    return {**asked, **resolved}


def _top_hyperparameters(job: Job, dialect: str) -> Json | None:
    if job.method != "supervised" and dialect == "observed":
        return None
    return {name: value for name, value in _resolved(job).items() if name != "beta"}


def _method_object(job: Job) -> Json:
    given = (job.request.get("method") or {}).get(job.method) or {}
    return {"type": job.method, job.method: {**given, "hyperparameters": _resolved(job)}}


def _integration(given: Json) -> Json:
    return {"type": given["type"], "wandb": given["wandb"]}
