"""What goes wrong on purpose: which faults are set, and which of them strike a request.

``/_faults`` is the control route; only a sandbox has it. ``docs/sandbox.md`` describes every kind.
"""

import random
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from finetuning.sandbox.errors import ApiError, no_such_object
from finetuning.sandbox.http import Json, Request, Response, json_response, list_response
from finetuning.sandbox.state import Sandbox

BeforeEffect = Literal[
    "delay",
    "drop",
    "error",
    "redirect",
    "commit_late",
    "key_refused",
    "quota_exceeded",
    "account_refused",
    "model_retired",
    "model_cold",
    "cursor_invalid",
]
AfterEffect = Literal["delay_after", "drop_after", "error_after"]
OfQuery = Literal["filter_ignored", "small_pages"]
OfAnswer = Literal[
    "reset_mid_body",
    "drip",
    "huge_body",
    "wrong_content_type",
    "truncated_json",
    "nan",
    "missing_field",
    "set_field",
    "unknown_status",
    "status_backwards",
    "empty_error",
    "missing_has_more",
    "duplicate_rows",
    "list_lag",
    "clock_skew",
    "plain_results",
]
OfWebhook = Literal[
    "webhook_lost", "webhook_doubled", "webhook_late", "webhook_reordered", "webhook_bad_signature"
]
Kind = BeforeEffect | AfterEffect | OfQuery | OfAnswer | OfWebhook

CREATE_JOB, LIST_JOBS = "POST /fine_tuning/jobs", "GET /fine_tuning/jobs"
WEBHOOK = "webhook"
# Where a kind strikes when the fault names no route; the others strike everywhere.
USUAL_ROUTES: dict[str, tuple[str, ...]] = {
    "commit_late": (CREATE_JOB,),
    "account_refused": (CREATE_JOB,),
    "model_retired": (CREATE_JOB, "GET /models"),
    "model_cold": ("POST /chat/completions",),
    "filter_ignored": (LIST_JOBS,),
    "list_lag": (LIST_JOBS,),
    "plain_results": ("GET /files/{file_id}/content",),
    **dict.fromkeys(get_args(OfWebhook), (WEBHOOK,)),
}


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One fault. ``about`` narrows it to requests that name this job, reference, file or model.

    The first ``skip`` requests that it fits are spared, then at most ``times`` are struck, each with
    ``probability``. ``seconds``, ``status``, ``retry_after``, ``field`` and ``value`` mean what the kind
    makes of them.
    """

    kind: Kind
    route: str | None = None
    about: Annotated[str, Meta(min_length=1)] | None = None
    skip: Annotated[int, Meta(ge=0)] = 0
    times: Annotated[int, Meta(ge=1)] | None = None
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Meta(ge=-86_400, le=86_400)] = 1.0
    status: Annotated[int, Meta(ge=400, le=599)] = 500
    retry_after: str | None = None
    field: str = "id"
    value: Any = None

    def strikes_route(self, route: str) -> bool:
        """Return whether the fault concerns this route; deliveries of webhooks are the route ``webhook``."""
        if self.route is not None:
            return self.route == route
        return route in USUAL_ROUTES.get(self.kind, (route,)) and (route != WEBHOOK or self.is_of_webhook)

    @property
    def is_of_webhook(self) -> bool:
        """Whether it is the delivery that goes wrong, not an answer."""
        return self.kind in get_args(OfWebhook)


class FaultList(msgspec.Struct):
    """Body of ``POST /_faults``: several at once, in the order in which they are to be tried."""

    faults: list[Fault]


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /_faults``. Raises ``ApiError`` 400 for a route that does not exist."""
    body = request.json(FaultList)
    return list_response([_object(row) for row in add(sandbox, body.faults)], has_more=False)


def add(sandbox: Sandbox, faults: list[Fault]) -> list[Any]:
    """Store faults behind those that are set and return their rows. Raises ``ApiError`` 400."""
    for fault in faults:
        if fault.route is not None and fault.route not in sandbox.routes:
            raise ApiError(400, f"There is no route '{fault.route}'.", param="route")
    with sandbox.store.write() as db:
        return [
            db.execute(
                "INSERT INTO faults (body) VALUES (?) RETURNING *", [msgspec.json.encode(fault)]
            ).fetchone()
            for fault in faults
        ]


def replace_all(sandbox: Sandbox, body: bytes) -> None:
    """Set exactly the faults of ``body``, written as for ``POST /_faults``.

    Raises ``ValueError`` for a body that is none, ``ApiError`` for a route that does not exist.
    """
    wanted = msgspec.json.decode(body, type=FaultList).faults
    with sandbox.store.write() as db:
        db.execute("DELETE FROM faults")
    add(sandbox, wanted)


def list_faults(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``GET /_faults``: what is set, how many requests it fitted and how many it struck."""
    with sandbox.store.read() as db:
        rows = db.execute("SELECT * FROM faults ORDER BY seq").fetchall()
    return list_response([_object(row) for row in rows], has_more=False)


def clear(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``DELETE /_faults``: the sandbox behaves again."""
    with sandbox.store.write() as db:
        db.execute("DELETE FROM faults")
    return json_response({"object": "sandbox.faults", "deleted": True})


def delete(sandbox: Sandbox, request: Request, fault_id: str) -> Response:
    """Answer ``DELETE /_faults/{id}``."""
    with sandbox.store.write() as db:
        number = int(fault_id) if fault_id.isascii() and fault_id.isdigit() and len(fault_id) < 18 else 0
        gone = db.execute("DELETE FROM faults WHERE seq = ? RETURNING seq", [number]).fetchone()
    if gone is None:
        raise no_such_object("Fault", fault_id)
    return json_response({"id": fault_id, "object": "sandbox.fault", "deleted": True})


def striking(sandbox: Sandbox, route: str, named: str) -> list[Fault]:
    """Return the faults that strike this request, and count them. ``named`` is all that the request names."""
    with sandbox.store.read() as db:
        set_faults = db.execute("SELECT * FROM faults ORDER BY seq").fetchall()
    fitting = [row["seq"] for row in set_faults if _fits(_fault(row), route, named)]
    if not fitting:
        return []
    # Counted in one transaction, so that two requests at once never take the same turn.
    with sandbox.store.write() as db:
        return [fault for seq in fitting if (fault := _take_turn(sandbox, db, seq)) is not None]


def _fits(fault: Fault, route: str, named: str) -> bool:
    return fault.strikes_route(route) and (fault.about is None or fault.about in named)


def _take_turn(sandbox: Sandbox, db: Any, seq: int) -> Fault | None:
    row = db.execute("UPDATE faults SET fitted = fitted + 1 WHERE seq = ? RETURNING *", [seq]).fetchone()
    if row is None:
        return None
    fault = _fault(row)
    is_spent = fault.times is not None and row["struck"] >= fault.times
    # A string seed gives the same draw in every process; the turn's number makes a run repeatable.
    draw = random.Random(f"{sandbox.settings.seed}:{seq}:{row['fitted']}").random()  # nosec B311 # noqa: S311 - no secret
    if row["fitted"] <= fault.skip or is_spent or draw >= fault.probability:
        return None
    db.execute("UPDATE faults SET struck = struck + 1 WHERE seq = ?", [seq])
    return fault


def _fault(row: Any) -> Fault:
    return msgspec.json.decode(row["body"], type=Fault)


def _object(row: Any) -> Json:
    body: Json = msgspec.json.decode(row["body"])
    counts = {"fitted": row["fitted"], "struck": row["struck"]}
    return {"id": str(row["seq"]), "object": "sandbox.fault", **body, **counts}
