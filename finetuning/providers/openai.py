"""OpenAI's fine-tuning API, and everything that speaks it: Azure Foundry, Nebius, the sandbox.

The SDK builds the requests (`openai_requests` sends them); `openai_answers` reads what comes back, because
the SDK lets any type through.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from openai import NotFoundError, OpenAI, PermissionDeniedError, omit

from finetuning.providers import openai_answers as answers
from finetuning.providers.base import (
    Completion,
    CostEstimate,
    Message,
    OutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteJob,
    RowProblem,
    TrainingPrice,
    TrainingRun,
)
from finetuning.providers.base_models import default_epochs
from finetuning.providers.openai_requests import FAILURES, Account, Response, was_not_created

MIN_EXAMPLES = 10
MAX_PAGES = 1_000
# The tokens between the messages of gpt-4.1 and later are not published, nor those of images.
COUNTING_ERROR = Decimal("0.05")
# However slowly its pages come, a list is read for at most so many times the time of one request.
TIMEOUTS_PER_LIST = 4
# About 4 Mbit/s: an upload over a slower line is given up.
UPLOAD_BYTES_PER_SECOND = 512 * 1024

# tiktoken's openai_public.py, and the tokens between chat messages: OpenAI's check of a file refuses them.
SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep))\|>"
)

Value = TypeVar("Value")
Row = TypeVar("Row", answers.File, RemoteJob, RemoteEvent)


class OpenAIProvider:
    """One account at a provider that speaks OpenAI's API. See `Provider` for what the methods promise.

    `base_url` ends in `/v1` or the like; `timeout` is in seconds and limits each request as a whole.
    `transport` takes the network's place, for example `httpx2.WSGITransport`. `extra_body` is what the vendor
    wants in a create beside OpenAI's fields.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        timeout: float,
        transport: httpx2.BaseTransport | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self._extra_body = extra_body
        self._account = Account(api_key=api_key, base_url=base_url, timeout=timeout, transport=transport)

    def upload_file(self, path: Path, *, name: str) -> str:
        """Upload a JSONL file for training and return its id; a file of this name and size is reused.

        `name` ends in `.jsonl`, or the provider refuses it. Raises ProviderError, and OSError when `path`
        cannot be read.
        """
        size_bytes = path.stat().st_size
        uploaded = self._find_file(name, size_bytes)
        if uploaded is not None:
            return uploaded
        with path.open("rb") as file:
            return self._ask(
                answers.read_id,
                lambda client: client.files.with_raw_response.create(
                    file=(name, file, "application/jsonl"), purpose="fine-tune"
                ),
                seconds=self._account.timeout + size_bytes / UPLOAD_BYTES_PER_SECOND,
            )

    def _find_file(self, name: str, size_bytes: int) -> str | None:
        files = self._walk(
            answers.read_file,
            lambda client, after: client.files.with_raw_response.list(
                purpose="fine-tune", limit=1_000, after=after
            ),
        )
        same = (
            file.id
            for file in files
            if file.is_usable and file.name == name and file.size_bytes in {None, size_bytes}
        )
        return next(same, None)

    def find_jobs(self, reference: str, *, training_file: str) -> Sequence[RemoteJob]:
        """All runs that were made for `reference`, oldest first: every page is looked through.

        Asks with the metadata filter and without: some providers ignore it, some do not keep metadata. The
        uploaded file belongs to one job of ours, so a run of that file is that job's run.
        """
        found = {}
        for job in [*self._jobs_with_metadata(reference), *self.list_jobs()]:
            is_of_file = bool(training_file) and job.training_file == training_file
            if job.reference == reference or is_of_file:
                found[job.id] = job
        return sorted(found.values(), key=lambda job: (job.created_at, job.id))

    def _jobs_with_metadata(self, reference: str) -> list[RemoteJob]:
        # A provider that does not know the filter may refuse it; the unfiltered walk tells what is there.
        with suppress(ProviderRefused):
            return list(self._jobs(metadata={"ft_job": reference}))
        return []

    def list_jobs(self) -> Iterator[RemoteJob]:
        """All runs of the account, newest first; pages are fetched as needed. Raises ProviderError."""
        return self._jobs()

    def _jobs(self, *, metadata: dict[str, str] | None = None) -> Iterator[RemoteJob]:
        return self._walk(
            answers.read_job,
            lambda client, after: client.fine_tuning.jobs.with_raw_response.list(
                limit=100, after=after, metadata=metadata or omit
            ),
        )

    def create_job(self, run: TrainingRun) -> RemoteJob:
        """Start a training run. Sent once; raises OutcomeUnknown when the answer was lost.

        ProviderRefused and ProviderUnreachable say that surely nothing was made.
        """
        try:
            return self._account.send(
                answers.read_job,
                lambda client: _create(client, run, self._extra_body),
                seconds=self._account.timeout,
            )
        except FAILURES as error:
            explained = self._account.explain(error)
            if isinstance(error, PermissionDeniedError) and explained.code == "provider_refused":
                # What OpenAI answers to organizations that may not train any more has no documented code.
                raise ProviderRefused(explained.message, code="fine_tuning_not_available") from error
            if was_not_created(error):
                raise explained from error
            raise OutcomeUnknown(explained.message) from error

    def get_job(self, remote_id: str) -> RemoteJob:
        """The run as it stands now. Raises ProviderError."""
        return self._ask(
            answers.read_job, lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(remote_id)
        )

    def cancel_job(self, remote_id: str) -> RemoteJob:
        """Ask that the run be stopped. Raises ProviderError; ProviderRefused also when it has ended."""
        return self._ask(
            answers.read_job, lambda client: client.fine_tuning.jobs.with_raw_response.cancel(remote_id)
        )

    def pause_job(self, remote_id: str) -> RemoteJob:
        """Ask that the run wait. Raises ProviderError; ProviderRefused unless it is running."""
        return self._ask(
            answers.read_job, lambda client: client.fine_tuning.jobs.with_raw_response.pause(remote_id)
        )

    def resume_job(self, remote_id: str) -> RemoteJob:
        """Ask that a paused run go on. Raises ProviderError; ProviderRefused unless it is paused."""
        return self._ask(
            answers.read_job, lambda client: client.fine_tuning.jobs.with_raw_response.resume(remote_id)
        )

    def list_checkpoints(self, remote_id: str) -> Sequence[RemoteCheckpoint]:
        """The models that were kept on the way, the last first, at most 100. Raises ProviderError."""
        page = self._ask(
            partial(answers.read_page, read=answers.read_checkpoint),
            lambda client: client.fine_tuning.jobs.checkpoints.with_raw_response.list(remote_id, limit=100),
        )
        return [row for row in page.rows if row.model_id]

    def list_events(self, remote_id: str) -> Iterator[RemoteEvent]:
        """The run's log, newest first; a page is fetched when it is needed. Raises ProviderError."""
        return self._walk(
            answers.read_event,
            lambda client, after: client.fine_tuning.jobs.with_raw_response.list_events(
                remote_id, limit=100, after=after
            ),
        )

    def estimate_cost(
        self,
        *,
        examples: int,
        tokens: int,
        validation_tokens: int,
        epochs: int | None,
        price: TrainingPrice | None,
    ) -> CostEstimate:
        """The price of training on `examples` of `tokens` in all: price times tokens times epochs.

        OpenAI does not bill validation tokens (fine-tuning guide). The range allows for what is not
        published: how messages of the newest models are counted, and what `auto` comes to. Its high end
        also covers that no example can be held back for validation.
        """
        chosen = epochs or default_epochs(examples)
        fewest, most = (chosen, chosen) if epochs else (max(1, chosen - 1), chosen + 1)

        def usd(trained_tokens: int | Decimal) -> Decimal | None:
            return price.cost_of(trained_tokens) if price else None

        return CostEstimate(
            training_tokens=tokens,
            validation_tokens=validation_tokens,
            epochs=chosen,
            trained_tokens=tokens * chosen,
            training_usd=usd(tokens * chosen),
            low_usd=usd(tokens * fewest * (1 - COUNTING_ERROR)),
            high_usd=usd((tokens + validation_tokens) * most * (1 + COUNTING_ERROR)),
            price=price,
        )

    def validate_dataset(self, rows: Iterable[Mapping[str, Any]], *, method: str) -> Iterator[RowProblem]:
        """What OpenAI is known to refuse in these rows: the wrong format, special tokens, too few rows.

        Source: failures of real jobs; the messages are OpenAI's. Too few rows are reported after the last.
        """
        count = 0
        for position, row in enumerate(rows):
            count += 1
            yield from _row_problems(row, position=position, method=method)
        if count < MIN_EXAMPLES:
            message = f"Training file has {count} example(s), but must have at least {MIN_EXAMPLES} examples"
            yield RowProblem(position=count, code="invalid_n_examples", message=message)

    def chat(self, model: str, messages: Sequence[Message]) -> Completion:
        """Ask a model, trained or base, and wait for the whole answer. Raises ProviderError.

        A model that is not found counts as passing: a new one can be missing for minutes (fine-tuning guide).
        """
        conversation: Any = list(messages)
        started = time.monotonic()
        try:
            completion = self._ask(
                answers.read_completion,
                lambda client: client.chat.completions.with_raw_response.create(
                    model=model, messages=conversation
                ),
            )
        except ProviderRefused as refused:
            if isinstance(refused.__cause__, NotFoundError):
                message = f"The model is still warming up, or is gone. The provider says: {refused.message}"
                raise ProviderUnreachable(message) from refused
            raise
        return replace(completion, latency_ms=round((time.monotonic() - started) * 1000))

    def list_models(self) -> Mapping[str, date | None]:
        """What can be called, each with its announced last day, if any. Raises ProviderError."""
        return self._ask(answers.read_models, lambda client: client.models.with_raw_response.list())

    def _walk(
        self,
        read: Callable[[dict[str, Any]], Row],
        fetch: Callable[..., Response],
    ) -> Iterator[Row]:
        """Each row of a list once, page after page, until the provider has no more.

        Without `has_more` the next page is asked for; a page that brings nothing new is the last, which
        also ends the list of a provider that does not know `after`.
        """
        seen: set[str] = set()
        after: Any = omit
        give_up_at = time.monotonic() + TIMEOUTS_PER_LIST * self._account.timeout
        for _ in range(MAX_PAGES):
            if time.monotonic() > give_up_at:
                raise ProviderUnreachable("The provider's list did not end in time.")
            page = self._ask(partial(answers.read_page, read=read), partial(fetch, after=after))
            yield from (row for row in page.rows if row.id not in seen)
            ids = [row.id for row in page.rows]
            if page.is_last or seen.issuperset(ids):
                return
            seen.update(ids)
            after = ids[-1]
        raise ProviderUnreachable(f"The provider's list did not end after {MAX_PAGES} pages.")

    def _ask(
        self,
        read: Callable[[dict[str, Any]], Value],
        call: Callable[[OpenAI], Response],
        *,
        seconds: float | None = None,
    ) -> Value:
        """Send one request that may be sent again, and read its answer. Raises ProviderError."""
        try:
            return self._account.send(read, call, seconds=seconds or self._account.timeout)
        except FAILURES as error:
            raise self._account.explain(error) from error


def _create(client: OpenAI, run: TrainingRun, extra_body: Mapping[str, Any] | None) -> Response:
    settings = {"hyperparameters": dict(run.hyperparameters), "grader": dict(run.grader)}
    settings = {name: value for name, value in settings.items() if value}
    method: Any = {"type": run.method, run.method: settings}
    return client.fine_tuning.jobs.with_raw_response.create(
        model=run.base_model,
        training_file=run.training_file,
        validation_file=run.validation_file or omit,
        method=method,
        suffix=run.suffix or omit,
        seed=omit if run.seed is None else run.seed,
        metadata=_metadata(run),
        extra_body=dict(extra_body) if extra_body else None,
        # Not documented to be honoured by anybody; harmless where it is not.
        extra_headers={"Idempotency-Key": run.reference},
    )


def _metadata(run: TrainingRun) -> dict[str, str]:
    words = {
        **run.metadata,
        "ft_job": run.reference,
        "ft_org": run.organization,
        "ft_env": run.installation,
        "ft_attempt": str(run.attempt or ""),
    }
    return {name: word for name, word in words.items() if word}


def _row_problems(row: Mapping[str, Any], *, position: int, method: str) -> Iterator[RowProblem]:
    row_method = "dpo" if "preferred_output" in row else "supervised"
    if method in {"supervised", "dpo"} and row_method != method:
        message = f"Example {position + 1} is in the {row_method} format, but the job's method is {method}."
        yield RowProblem(position=position, code="invalid_training_file", message=message)
    token = next((found[0] for text in _texts(row) if (found := SPECIAL_TOKEN.search(text))), None)
    if token is not None:
        message = f"Example {position + 1} message contains an invalid token: {token}."
        yield RowProblem(position=position, code="invalid_training_file", message=message)


def _texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
