"""What a provider of fine-tuning must do, in our words. No Django and no vendor's package here.

ProviderError            `permanent` tells whether trying again can help
├── ProviderUnreachable  no answer, or a passing fault: try again later (never permanent)
├── ProviderRefused      the provider understood and said no (always permanent)
└── OutcomeUnknown       a create was sent and its answer was lost: look before sending it again
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

Message = Mapping[str, Any]


class ProviderError(Exception):
    """A call to the provider did not succeed. `message` is in the provider's own words where it has any.

    `positions`, counted from 0, are those of the training rows that are the reason, where they are known.
    """

    positions: Sequence[int] = ()

    def __init__(self, message: str, *, permanent: bool, code: str = "provider_error") -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.code = code


class ProviderUnreachable(ProviderError):
    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, permanent=False, code="provider_unreachable")
        self.retry_after = retry_after


class ProviderRefused(ProviderError):
    def __init__(
        self, message: str, *, code: str = "provider_refused", positions: Sequence[int] = ()
    ) -> None:
        super().__init__(message, permanent=True, code=code)
        self.positions = positions


class OutcomeUnknown(ProviderError):
    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=False, code="outcome_unknown")


class RemoteStatus(StrEnum):
    """The provider-neutral words. Each is also a value of `jobs.states.Status`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What is to be trained.

    `reference` is our job id; it lets the run be found again at the provider. `organization`, `installation`
    and `attempt` go along, so that a run is never taken for another tenant's or another installation's.
    """

    reference: str
    organization: str = ""
    installation: str = ""
    attempt: int = 0
    base_model: str
    training_file: str
    validation_file: str | None = None
    method: str = "supervised"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    suffix: str | None = None
    seed: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    grader: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RemoteCheckpoint:
    """A model that was kept on the way. `metrics` are those of its step, by the provider's names."""

    id: str
    model_id: str
    step: int | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class RemoteJob:
    """A run as the provider shows it. `status` is None for a word that we do not know."""

    id: str
    status: RemoteStatus | None
    vendor_status: str
    base_model: str
    training_file: str
    created_at: datetime
    reference: str | None = None
    organization: str | None = None
    installation: str | None = None
    model_id: str | None = None
    trained_tokens: int | None = None
    total_epochs: int | None = None
    estimated_finish_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, kw_only=True)
class RemoteEvent:
    """One line of a run's log. `data` holds the metrics of a step when `type` is `metrics`."""

    id: str
    type: str
    level: str
    message: str
    created_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainingPrice:
    """US dollars per million trained tokens, as of a day."""

    usd: Decimal
    as_of: date
    source: str

    def cost_of(self, tokens: int | Decimal) -> Decimal:
        """What so many trained tokens cost, in US dollars to the cent."""
        return (self.usd * tokens / 1_000_000).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """The expected price of training, in US dollars; None where the price is not known.

    `training_tokens` are those of one epoch, `trained_tokens` those of all; the price is expected from
    `low_usd` to `high_usd`, also where fewer examples can be held back for validation than were asked for.
    """

    training_tokens: int
    validation_tokens: int
    epochs: int
    trained_tokens: int
    training_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    price: TrainingPrice | None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A model's answer. `latency_ms` is the whole call's time as seen from here."""

    message: Message
    prompt_tokens: int
    completion_tokens: int
    latency_ms: int


@dataclass(frozen=True, kw_only=True)
class RowProblem:
    """A training row that the provider is known to refuse; `position` counts from 0."""

    position: int
    code: str
    message: str


class Provider(Protocol):
    """One account at one provider. Every method raises `ProviderError` and nothing else."""

    def upload_file(self, path: Path, *, name: str) -> str:
        """Upload a JSONL file for training and return its id; a file of this name is reused."""

    def find_jobs(self, reference: str, *, training_file: str) -> Sequence[RemoteJob]:
        """All runs that were made for `reference`, oldest first: every page is looked through."""

    def create_job(self, run: TrainingRun) -> RemoteJob:
        """Start a training run. Sent once; raises OutcomeUnknown when the answer was lost."""

    def list_jobs(self) -> Iterator[RemoteJob]:
        """All runs of the account, newest first; a page of 100 is fetched when it is needed."""

    def get_job(self, remote_id: str) -> RemoteJob: ...

    def cancel_job(self, remote_id: str) -> RemoteJob: ...

    def pause_job(self, remote_id: str) -> RemoteJob: ...

    def resume_job(self, remote_id: str) -> RemoteJob: ...

    def list_checkpoints(self, remote_id: str) -> Sequence[RemoteCheckpoint]:
        """The models that were kept on the way, the last first: the newest page of at most 100."""

    def list_events(self, remote_id: str) -> Iterator[RemoteEvent]:
        """The run's log, newest first."""

    def estimate_cost(
        self,
        *,
        examples: int,
        tokens: int,
        validation_tokens: int,
        epochs: int | None,
        price: TrainingPrice | None,
    ) -> CostEstimate:
        """The price of training on `examples` of `tokens` in all; `epochs` None lets the provider choose."""

    def validate_dataset(self, rows: Iterable[Mapping[str, Any]], *, method: str) -> Iterator[RowProblem]:
        """What this provider would refuse in these rows, beyond the rules that hold everywhere."""

    def chat(self, model: str, messages: Sequence[Message]) -> Completion:
        """Ask a model, trained or base, and wait for the whole answer."""

    def list_models(self) -> Mapping[str, date | None]:
        """What can be called, each with its announced last day, if any. A call that costs nothing."""
