"""What an OpenAI-compatible API answers, read into our values.

An answer is input from outside: it may lack fields, hold other types than documented, or text that no
database column takes. What a job cannot do without raises `UnreadableAnswer`; the rest becomes empty.
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from finetuning.providers.base import Completion, RemoteCheckpoint, RemoteEvent, RemoteJob, RemoteStatus

# An id that is longer is nothing that a provider is known to send.
MAX_ID_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 10_000
MAX_CODE_CHARACTERS = 100
# Accounts with thousands of tuned models exist; what comes after them tells nothing of base models.
MAX_MODELS = 5_000
# OpenAI allows 50; anything beyond is no number of epochs.
MAX_EPOCHS = 10_000
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)

# OpenAI's words, and `pending` of Azure. `paused` and `pausing` are left out on purpose: whoever paused the
# run wants it back, so our status stays what it is.
STATUSES = {
    "validating_files": RemoteStatus.QUEUED,
    "queued": RemoteStatus.QUEUED,
    "pending": RemoteStatus.QUEUED,
    "running": RemoteStatus.RUNNING,
    "succeeded": RemoteStatus.SUCCEEDED,
    "failed": RemoteStatus.FAILED,
    "cancelled": RemoteStatus.CANCELLED,
}

# The metrics of supervised and preference training: numbers, or left out.
METRICS = frozenset(
    {
        "step",
        "total_steps",
        "train_loss",
        "train_mean_token_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
        "full_valid_loss",
        "full_valid_mean_token_accuracy",
    }
)


Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class File:
    id: str
    name: str
    size_bytes: int | None
    is_usable: bool


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    rows: list[Row]
    is_last: bool


class UnreadableAnswer(ValueError):
    """An answer that is not what the API documents, in a place that cannot be left empty."""


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, without the values that PostgreSQL cannot hold.

    NUL and lone surrogates become replacement characters; NaN and infinities become None. Raises
    UnreadableAnswer when the body is not one JSON object.
    """
    try:
        document = _storable(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(f"it is not JSON: {body[:80]!r}") from error
    if not isinstance(document, dict):
        raise UnreadableAnswer(f"it is not a JSON object: {body[:80]!r}")
    return document


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {storable_text(key): _storable(item) for key, item in value.items()}
    return value


def storable_text(text: str) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL cannot hold."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def read_id(document: Mapping[str, Any]) -> str:
    """The object's id. Raises UnreadableAnswer when there is none."""
    value = document.get("id")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS:
        raise UnreadableAnswer(f"it has no usable id: {str(value)[:80]!r}")
    return value


def read_list(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a list. Raises UnreadableAnswer when `data` is no list of objects."""
    rows = document.get("data", "nothing") or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableAnswer(f"its data is not a list of objects: {str(rows)[:80]}")
    return rows


def read_models(document: Mapping[str, Any]) -> dict[str, date | None]:
    """The listed models and their `shutdown_date`. Raises UnreadableAnswer when `data` is no list."""
    rows = read_list(document)[:MAX_MODELS]
    names = {_text(row.get("id")): _day(row.get("shutdown_date")) for row in rows}
    return {name: day for name, day in names.items() if 0 < len(name) <= MAX_ID_CHARACTERS}


def _day(value: Any) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    return None


def read_page(document: Mapping[str, Any], read: Callable[[dict[str, Any]], Row]) -> Page[Row]:
    """One page of a longer list, each row read by `read`. Raises UnreadableAnswer when a row cannot be."""
    rows = [read(row) for row in read_list(document)]
    return Page(rows=rows, is_last=document.get("has_more") is False)


def read_file(document: Mapping[str, Any]) -> File:
    """An uploaded file. Raises UnreadableAnswer when it has no id."""
    return File(
        id=read_id(document),
        name=_text(document.get("filename")),
        size_bytes=_count(document.get("bytes")),
        is_usable=document.get("status") not in {"error", "deleted"},
    )


def read_job(document: Mapping[str, Any]) -> RemoteJob:
    """A fine-tuning job. Raises UnreadableAnswer when it has no id.

    A healthy job's `error` is `{}` or null, and `hyperparameters` is null for preference training.
    """
    vendor_status = _text(document.get("status"), limit=50)
    error = _mapping(document.get("error"))
    metadata = _mapping(document.get("metadata"))
    return RemoteJob(
        id=read_id(document),
        status=STATUSES.get(vendor_status),
        vendor_status=vendor_status,
        base_model=_text(document.get("model")),
        training_file=_text(document.get("training_file")),
        created_at=_moment(document.get("created_at")) or UNKNOWN_TIME,
        reference=_text(metadata.get("ft_job")) or None,
        organization=_text(metadata.get("ft_org")) or None,
        installation=_text(metadata.get("ft_env")) or None,
        model_id=_text(document.get("fine_tuned_model")) or None,
        trained_tokens=_count(document.get("trained_tokens")),
        total_epochs=_epochs(document),
        estimated_finish_at=_moment(document.get("estimated_finish")),
        error_code=_text(error.get("code"), limit=MAX_CODE_CHARACTERS),
        error_message=_text(error.get("message")),
    )


def _epochs(document: Mapping[str, Any]) -> int | None:
    """The number of epochs once the provider has settled it; until then it says `auto`."""
    method = _mapping(document.get("method"))
    of_method = _mapping(_mapping(method.get(_text(method.get("type")))).get("hyperparameters"))
    deprecated = _mapping(document.get("hyperparameters"))
    epochs = _count(of_method.get("n_epochs")) or _count(deprecated.get("n_epochs"))
    return epochs if epochs is not None and epochs <= MAX_EPOCHS else None


def read_event(document: Mapping[str, Any]) -> RemoteEvent:
    """One event of a job. Raises UnreadableAnswer when it has no id."""
    return RemoteEvent(
        id=read_id(document),
        type=_text(document.get("type"), limit=50) or "message",
        level=_text(document.get("level"), limit=10) or "info",
        message=_text(document.get("message")),
        created_at=_moment(document.get("created_at")) or UNKNOWN_TIME,
        data={
            name: value
            for name, value in _mapping(document.get("data")).items()
            if name not in METRICS or _is_number(value)
        },
    )


def read_checkpoint(document: Mapping[str, Any]) -> RemoteCheckpoint:
    """A checkpoint of a job. Raises UnreadableAnswer when it has no id."""
    metrics = _mapping(document.get("metrics"))
    return RemoteCheckpoint(
        id=read_id(document),
        model_id=_text(document.get("fine_tuned_model_checkpoint"), limit=MAX_ID_CHARACTERS),
        step=_count(document.get("step_number")),
        metrics={
            name: metrics[name] for name in sorted(METRICS & metrics.keys()) if _is_number(metrics[name])
        },
    )


def read_completion(document: Mapping[str, Any]) -> Completion:
    """A chat completion's first choice. Raises UnreadableAnswer when there is none."""
    choices = document.get("choices")
    first = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    message = first.get("message")
    if not isinstance(message, dict):
        raise UnreadableAnswer("it holds no message")
    usage = _mapping(document.get("usage"))
    return Completion(
        message=message,
        prompt_tokens=_count(usage.get("prompt_tokens")) or 0,
        completion_tokens=_count(usage.get("completion_tokens")) or 0,
        latency_ms=0,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, *, limit: int = MAX_TEXT_CHARACTERS) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> int | None:
    """A whole number that fits a bigint column."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if is_count else None


def _moment(value: Any) -> datetime | None:
    """The moment of so many Unix seconds; the API gives all its times like this."""
    if not _is_number(value) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
