"""``/fine_tuning/jobs``: create, list, follow and stop jobs."""

import dataclasses
import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from finetuning.sandbox import deliveries, files, graders, lifecycle, models, timeline
from finetuning.sandbox.errors import ApiError, missing_parameter, no_such_file
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import derived_id, metadata_conditions, new_id
from finetuning.sandbox.timeline import Job

Auto = Literal["auto"]
Count = Auto | Annotated[int, Meta(ge=1)] | None
Positive = Auto | Annotated[float, Meta(gt=0)] | None
Batch = Auto | Annotated[int, Meta(ge=1, le=256)] | None
Epochs = Auto | Annotated[int, Meta(ge=1, le=50)] | None
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class Hyperparameters(msgspec.Struct, omit_defaults=True):
    """Of supervised training; also the deprecated top-level field."""

    batch_size: Batch = None
    learning_rate_multiplier: Positive = None
    n_epochs: Epochs = None


class DpoHyperparameters(Hyperparameters, omit_defaults=True):
    """Of preference training."""

    beta: Auto | Annotated[float, Meta(gt=0, le=2)] | None = None


class ReinforcementHyperparameters(Hyperparameters, omit_defaults=True):
    """Of reinforcement training."""

    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None
    compute_multiplier: Auto | Annotated[float, Meta(gt=0.00001, le=10)] | None = None
    eval_interval: Count = None
    eval_samples: Count = None


class Supervised(msgspec.Struct, omit_defaults=True):
    """``method.supervised``."""

    hyperparameters: Hyperparameters | None = None


class Dpo(msgspec.Struct, omit_defaults=True):
    """``method.dpo``."""

    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(msgspec.Struct, omit_defaults=True):
    """``method.reinforcement``."""

    grader: Json
    hyperparameters: ReinforcementHyperparameters | None = None
    response_format: Json | None = None


class Method(msgspec.Struct, omit_defaults=True):
    """``method``."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None


class Wandb(msgspec.Struct):
    """``integrations[].wandb``."""

    project: str
    name: str | None = None
    entity: str | None = None
    tags: list[str] = []


class Integration(msgspec.Struct):
    """One entry of ``integrations``; echoed, never called."""

    type: Literal["wandb"]
    wandb: Wandb


class CreateJob(msgspec.Struct, omit_defaults=True):
    """Body of ``POST /fine_tuning/jobs``."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2147483647)] | None = None
    metadata: Metadata | None = None
    integrations: Annotated[list[Integration], Meta(max_length=5)] | None = None
    hyperparameters: Hyperparameters | None = None
    method: Method | None = None


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /fine_tuning/jobs``. Only what can be seen without reading the files is judged here."""
    body = request.json(CreateJob)
    body.model, base = models.trainable_base(sandbox, body.model)
    _check_method(body)
    size = sum(
        _take_file(sandbox, name, file_id)
        for name, file_id in (
            ("training_file", body.training_file),
            ("validation_file", body.validation_file),
        )
        if file_id is not None
    )
    return json_response(_object(sandbox, _insert(sandbox, new_id("ftjob-"), body, base, size)))


def retrieve(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``GET /fine_tuning/jobs/{id}``."""
    return json_response(_object(sandbox, find(sandbox, job_id)))


def list_jobs(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /fine_tuning/jobs?after&limit&metadata[k]=v``, newest first.

    ``metadata=null`` finds the jobs that were created without any.
    """
    conditions = metadata_conditions(request.metadata_filter())
    if request.query.get("metadata") == "null":
        conditions.append(("metadata IS NULL", []))
    rows, has_more = sandbox.store.page(
        "jobs",
        conditions=conditions,
        order="desc",
        after=request.query.get("after"),
        limit=request.limit(20, 100),
    )
    data = [_object(sandbox, timeline.load(row)) for row in rows]
    return json_response({"object": "list", "data": data, "has_more": has_more})


def cancel(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``POST /fine_tuning/jobs/{id}/cancel``. Raises ``ApiError`` 400 when the job is over."""
    job = find(sandbox, job_id)
    now = sandbox.now()
    with sandbox.store.write() as db:
        cancelled = db.execute(
            "UPDATE jobs SET outcome = 'cancelled', ended_at = ?, due_at = NULL, cancels = cancels + 1"
            " WHERE id = ? AND outcome IS NULL RETURNING id",
            [now, job_id],
        ).fetchone()
        if cancelled is not None:
            deliveries.queue(db, job_id, "fine_tuning.job.cancelled", now)
    if cancelled is None:
        _refuse(sandbox, job, "cancelled")
    return retrieve(sandbox, request, job_id)


def pause(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``POST /fine_tuning/jobs/{id}/pause``. Raises ``ApiError`` 400 unless the job is running."""
    job = find(sandbox, job_id)
    if timeline.status(job, sandbox.now()) != "running":
        _refuse(sandbox, job, "paused")
    else:
        _save_pauses(sandbox, job, [*job.pauses, [sandbox.now(), None]])
    return retrieve(sandbox, request, job_id)


def resume(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``POST /fine_tuning/jobs/{id}/resume``. Raises ``ApiError`` 400 unless the job is paused."""
    job = find(sandbox, job_id)
    if timeline.status(job, sandbox.now()) != "paused":
        _refuse(sandbox, job, "resumed")
    else:
        _save_pauses(sandbox, job, [*job.pauses[:-1], [job.pauses[-1][0], sandbox.now()]])
    return retrieve(sandbox, request, job_id)


def list_events(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``GET /fine_tuning/jobs/{id}/events?after&limit``, newest first."""
    events = timeline.events(find(sandbox, job_id), sandbox.now())
    data, has_more = _slice(events, request.query.get("after"), request.limit(20, 100))
    return json_response({"object": "list", "data": data, "has_more": has_more})


def list_checkpoints(sandbox: Sandbox, request: Request, job_id: str) -> Response:
    """Answer ``GET /fine_tuning/jobs/{id}/checkpoints?after&limit``, newest first."""
    kept = timeline.checkpoints(find(sandbox, job_id))
    data, has_more = _slice(kept, request.query.get("after"), request.limit(10, 100))
    return list_response(data, has_more=has_more)


def ledger(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /_ledger``: what really happened here, as the oracle of tests.

    A row of ``jobs`` is one accepted create; ``trainings`` is 1 when it reached its training. ``references``
    adds the jobs up by the ``ft_job`` of their metadata: who sees 2 ``creates`` there has a doubled job.
    """
    now = sandbox.now()
    with sandbox.store.read() as db:
        jobs = [timeline.load(row) for row in db.execute("SELECT * FROM jobs ORDER BY seq")]
    entries = [
        {
            "id": job.id,
            "metadata": job.metadata,
            "training_file": job.request["training_file"],
            "status": timeline.status(job, now),
            "created_at": int(job.created_at),
            "creates": 1,
            "trainings": int(timeline.was_trained(job, now)),
            "cancels": job.cancels,
            "billed_tokens": timeline.billed_tokens(job, now),
        }
        for job in jobs
    ]
    counted = ("creates", "trainings", "cancels", "billed_tokens")
    totals = {name: sum(int(str(entry[name])) for entry in entries) for name in counted}
    references: dict[str, dict[str, int]] = {}
    for job, entry in zip(jobs, entries, strict=True):
        sums = references.setdefault((job.metadata or {}).get("ft_job", ""), dict.fromkeys(counted, 0))
        for name in counted:
            sums[name] += int(str(entry[name]))
    body = {"object": "sandbox.ledger", "jobs": entries, "references": references, "totals": totals}
    return json_response(body)


def find(sandbox: Sandbox, job_id: str) -> Job:
    """Return a job. Raises ``ApiError`` 404; the ``spec`` dialect makes an example instead."""
    row = sandbox.store.row("jobs", job_id)
    if row is not None:
        return timeline.load(row)
    if not sandbox.lenient:
        raise ApiError(
            404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found"
        )
    base = "gpt-4o-mini-2024-07-18"
    body = CreateJob(model=base, training_file="file-example")
    return _insert(sandbox, job_id, body, base, _take_file(sandbox, "training_file", body.training_file))


def _check_method(body: CreateJob) -> None:
    if body.method is None or body.method.type != "reinforcement":
        return
    if body.method.reinforcement is None:
        raise missing_parameter("method.reinforcement")
    if body.validation_file is None:
        raise missing_parameter("validation_file")
    graders.parse(body.method.reinforcement.grader)


def _take_file(sandbox: Sandbox, name: str, file_id: str) -> int:
    """Keep a copy for the job and return its bytes. Raises ``ApiError`` 400."""
    try:
        row = files.find_file(sandbox, file_id)
    except ApiError as error:
        raise ApiError(400, str(no_such_file(file_id)), param=name) from error
    if row["purpose"] != "fine-tune" and not sandbox.lenient:
        raise ApiError(
            400, f"File {file_id} has purpose '{row['purpose']}', expected 'fine-tune'.", param=name
        )
    try:
        files.keep_training_copy(sandbox, file_id)
    except FileNotFoundError as error:
        # Deleted between the two lines above by another request.
        raise ApiError(400, str(no_such_file(file_id)), param=name) from error
    return int(row["bytes"])


def _insert(sandbox: Sandbox, job_id: str, body: CreateJob, base: str, file_bytes: int) -> Job:
    now, speed = sandbox.now(), sandbox.settings.speed
    metadata = json.dumps(body.metadata) if body.metadata is not None else None
    with sandbox.store.write() as db:
        count = db.execute("SELECT count(*) FROM jobs").fetchone()[0]
        seed = body.seed if body.seed is not None else _generated_seed(sandbox, count)
        due_at = lifecycle.first_due_at(now, file_bytes, speed)
        row = db.execute(
            "INSERT INTO jobs (id, created_at, request, base, metadata, seed, speed, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            [job_id, now, msgspec.json.encode(body), base, metadata, seed, speed, due_at],
        ).fetchone()
        return timeline.load(row)


def _generated_seed(sandbox: Sandbox, count: int) -> int:
    """Return the seed of the n-th job: the same in every sandbox with the same seed."""
    return int.from_bytes(derived_id("", 4, sandbox.settings.seed, count).encode()) % 2147483648


def _save_pauses(sandbox: Sandbox, job: Job, pauses: list[list[float | None]]) -> None:
    """Store the pauses if no other request changed them, and move the end of the job accordingly."""
    moved = dataclasses.replace(job, pauses=pauses)
    ends_at = timeline.wall_time(moved, moved.plan.finished_after) if moved.plan else None
    with sandbox.store.write() as db:
        db.execute(
            "UPDATE jobs SET pauses = ?, due_at = ? WHERE id = ? AND pauses = ? AND outcome IS NULL",
            [json.dumps(pauses), None if moved.is_paused else ends_at, job.id, json.dumps(job.pauses)],
        )


def _refuse(sandbox: Sandbox, job: Job, wanted: str) -> None:
    if not sandbox.lenient:
        word = timeline.status(job, sandbox.now())
        raise ApiError(
            400, f"Fine-tuning job {job.id} is {word} and cannot be {wanted}.", param="fine_tune_id"
        )


def _slice(items: list[Json], after: str | None, limit: int) -> tuple[list[Json], bool]:
    ids = [item["id"] for item in items]
    if after is not None:
        items = items[ids.index(after) + 1 :] if after in ids else []
    return items[:limit], len(items) > limit


def _object(sandbox: Sandbox, job: Job) -> Json:
    return timeline.job_object(job, sandbox.now(), sandbox.settings.dialect)
