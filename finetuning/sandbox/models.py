"""``/models``: the bases that can be rehearsed with, and what jobs have made."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime

from finetuning.sandbox.errors import ApiError, no_such_model
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base model: when it came, its announced end, and whether the vendor has ended it already."""

    id: str
    created: date
    shutdown: date
    is_alive: bool = True


# Source: OpenAI's deprecations page and price table as of November 2026.
BASES = {
    base.id: base
    for base in (
        Base(id="gpt-4.1-2025-04-14", created=date(2025, 4, 10), shutdown=date(2027, 1, 14)),
        Base(id="gpt-4.1-mini-2025-04-14", created=date(2025, 4, 10), shutdown=date(2027, 1, 14)),
        Base(id="gpt-4o-2024-08-06", created=date(2024, 8, 4), shutdown=date(2027, 1, 14)),
        Base(id="gpt-4o-mini-2024-07-18", created=date(2024, 7, 16), shutdown=date(2027, 1, 14)),
        Base(
            id="gpt-4.1-nano-2025-04-14",
            created=date(2025, 4, 10),
            shutdown=date(2026, 10, 23),
            is_alive=False,
        ),
        Base(id="gpt-3.5-turbo-0125", created=date(2024, 1, 23), shutdown=date(2026, 10, 23), is_alive=False),
        Base(id="gpt-3.5-turbo-1106", created=date(2023, 11, 2), shutdown=date(2026, 9, 28), is_alive=False),
        # OpenAI has ended it. Here it goes on, for no other base model is trained by reinforcement.
        Base(id="o4-mini-2025-04-16", created=date(2025, 4, 8), shutdown=date(2026, 10, 23)),
        Base(id="babbage-002", created=date(2023, 8, 21), shutdown=date(2026, 9, 28), is_alive=False),
        Base(id="davinci-002", created=date(2023, 8, 21), shutdown=date(2026, 9, 28), is_alive=False),
    )
}
ALIASES = {
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "o4-mini": "o4-mini-2025-04-16",
}


def list_models(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /models``: bases, aliases, then tuned models; checkpoints are not listed."""
    with sandbox.store.read() as db:
        tuned = db.execute("SELECT * FROM models WHERE step IS NULL ORDER BY seq").fetchall()
    bases = [_base_object(sandbox, name) for name in (*BASES, *ALIASES)]
    return list_response([*bases, *(_tuned_object(sandbox, row) for row in tuned)], has_more=False)


def retrieve(sandbox: Sandbox, request: Request, model: str) -> Response:
    """Answer ``GET /models/{model}``."""
    if model in BASES or model in ALIASES:
        return json_response(_base_object(sandbox, model))
    return json_response(_tuned_object(sandbox, find_tuned(sandbox, model)))


def delete(sandbox: Sandbox, request: Request, model: str) -> Response:
    """Answer ``DELETE /models/{model}``: only what was tuned here can be deleted."""
    if model in BASES or model in ALIASES:
        raise ApiError(
            403, f"You have insufficient permissions to delete the model '{model}'.", param="model"
        )
    find_tuned(sandbox, model)
    with sandbox.store.write() as db:
        db.execute("DELETE FROM models WHERE id = ?", [model])
    return json_response({"id": model, "object": "model", "deleted": True})


def find_tuned(sandbox: Sandbox, model: str) -> sqlite3.Row:
    """Return a tuned model or checkpoint. Raises ``ApiError`` 404; the ``spec`` dialect makes an example."""
    row = sandbox.store.row("models", model)
    if row is not None:
        return row
    if not sandbox.lenient:
        raise no_such_model(model)
    with sandbox.store.write() as db:
        db.execute(
            "INSERT INTO models (id, created_at, base, training_file)"
            " VALUES (?, ?, 'gpt-4o-mini-2024-07-18', '')",
            [model, sandbox.now()],
        )
    return find_tuned(sandbox, model)


def live_base(model: str) -> str | None:
    """Return the snapshot behind a base's name, or None when there is none or the vendor has ended it."""
    base = BASES.get(ALIASES.get(model, model))
    return base.id if base is not None and base.is_alive else None


def trainable_base(sandbox: Sandbox, model: str) -> tuple[str, str]:
    """Return the model a job starts from (aliases resolved) and the base snapshot under it.

    Raises ``ApiError`` 400 in the vendor's words when it cannot be tuned.
    """
    snapshot = live_base(model)
    if snapshot is not None:
        return snapshot, snapshot
    row = sandbox.store.row("models", model)
    if row is None or live_base(row["base"]) is None:
        raise ApiError(
            400,
            f"Model {model} is not available for fine-tuning or does not exist.",
            param="model",
            code="model_not_available",
        )
    return model, str(row["base"])


def _base_object(sandbox: Sandbox, name: str) -> Json:
    base = BASES[ALIASES.get(name, name)]
    created = int(datetime(base.created.year, base.created.month, base.created.day, tzinfo=UTC).timestamp())
    return _object(name, created, _shutdown_date(sandbox, base))


def _tuned_object(sandbox: Sandbox, row: sqlite3.Row) -> Json:
    return _object(row["id"], int(row["created_at"]), _shutdown_date(sandbox, BASES[row["base"]]))


def _shutdown_date(sandbox: Sandbox, base: Base) -> str | None:
    """Return the announced end; a rehearsal outlives it, so a live base has none once that day has come."""
    today = datetime.fromtimestamp(sandbox.now(), UTC).date()
    return base.shutdown.isoformat() if not base.is_alive or today < base.shutdown else None


def _object(model: str, created: int, shutdown_date: str | None) -> Json:
    return {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "sandbox",
        "shutdown_date": shutdown_date,
    }
