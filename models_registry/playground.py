"""Asking models from a page: the gateway's own calls, made by a member instead of a key.

They are counted, priced and capped as applications' are. What was said is kept only if somebody saves it.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core import signing
from django.db import close_old_connections
from django.db.models import QuerySet
from django.utils import timezone

from finetuning.errors import Invalid
from finetuning.ids import uuid7
from finetuning.limits import count_request
from finetuning.models import Organization, User
from models_registry.gateway.bodies import read_call
from models_registry.gateway.calls import EVENT_STREAM, Message, Providers, Relay, Request
from models_registry.gateway.errors import GatewayError, cap_reached, unavailable
from models_registry.gateway.journal import Journal
from models_registry.gateway.limits import Limits
from models_registry.gateway.routes import Caller, Reader, Recording, Route
from models_registry.models import Agent, ApiKey, FineTunedModel
from models_registry.usage import MODEL_LENGTH, CallRecord, month_of

logger = logging.getLogger(__name__)

EXCEEDED = "rate_limit_exceeded"
PATH = "/chat/completions"
LISTED = 100
# Lets the relay hand over the whole answer; what it keeps of that, `Notes` decides: nothing.
COLLECTED = Recording(agent_name="", workspace_id=None, needs_consent=False, percent=100)
SALT = "playground.answer"
SAVABLE_FOR = timedelta(days=1)
WORDS = {
    401: "The provider refused the account's key. An admin can mend it under Settings > Provider accounts.",
    403: "The provider does not let this account use the model.",
    404: "The provider does not know this model, or no longer.",
    429: "The provider takes no more calls of this account right now. Try again in a moment.",
}


class AnswerNotSavable(Invalid):
    code = "answer_not_savable"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What can be asked: an agent, a tuned model, or with `is_base` the model that it was made from."""

    value: str
    group: str
    label: str
    agent: Agent | None = None
    model: FineTunedModel | None = None
    is_base: bool = False

    @property
    def base_value(self) -> str:
        """The value of the choice of its base model."""
        model = self.agent.model if self.agent else self.model
        return f"base:{model.provider_account_id}:{model.base_model}" if model else ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request, ready to be sent without the database. Without a `route` it is not: see `refusal`."""

    organization_id: UUID
    choice: Choice
    request: Request = field(repr=False)
    route: Route | None = None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a question, in words for the page. `saving` is what `save_answer` takes, if it can be."""

    text: str = ""
    facts: str = ""
    error: str = ""
    saving: str = field(default="", repr=False)


def list_choices(organization: Organization, *, named: Iterable[str] = ()) -> list[Choice]:
    """What the organization can ask: its newest models and agents, those in `named`, and base models."""
    wanted = {pk for value in named if (pk := _uuid(value.partition(":")[2]))}
    usable = organization.fine_tuned_models.exclude(status=FineTunedModel.Status.ARCHIVED)
    models = _listed(usable.select_related("provider_account").order_by("-created_at", "-id"), wanted)
    pointing = organization.agents.with_accounts().filter(model__isnull=False)
    agents = _listed(pointing.order_by("-created_at", "-id"), wanted)
    tuned = [_tuned(model) for model in models]
    bases = {choice.base_value: choice for choice in tuned}
    return [
        *tuned,
        *(_not_tuned(value, choice.model) for value, choice in bases.items() if choice.model),
        *(Choice(value=f"agent:{one.pk}", group="Agents", label=one.name, agent=one) for one in agents),
    ]


def _tuned(model: FineTunedModel) -> Choice:
    label = f"{model.name}, version {model.version}"
    return Choice(value=f"model:{model.pk}", group="Tuned models", label=label, model=model)


def _not_tuned(value: str, model: FineTunedModel) -> Choice:
    label = f"{model.base_model} at {model.provider_account.name}, not tuned"
    return Choice(value=value, group="Base models", label=label, model=model, is_base=True)


def _listed(rows: QuerySet[Any], wanted: set[UUID]) -> list[Any]:
    first = list(rows[:LISTED])
    return first + list(rows.filter(pk__in=wanted - {row.pk for row in first}))


def _uuid(text: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(text)
    return None


def ask_all(organization: Organization, choices: Iterable[Choice], **asked: Any) -> list[Answer]:
    """Ask all of them at the same time; the answers in the same order. `asked` is the body of the request.

    Raises GatewayError 402, 429.
    """
    admit(organization)
    questions = [prepare(organization, choice, **asked) for choice in choices]
    # The answers may take minutes.
    close_old_connections()
    return async_to_sync(_ask_together)(questions)


async def _ask_together(questions: list[Question]) -> list[Answer]:
    return await asyncio.gather(*(ask(question, _ignore) for question in questions))


async def _ignore(_: bytes) -> None:
    pass


def admit(organization: Organization) -> None:
    """Count one request of the organization. Raises GatewayError 402, 429."""
    allowance = count_request(organization.pk)
    if allowance is not None and allowance.is_exceeded:
        seconds = allowance.reset_seconds
        made = f"Your organization has made its {allowance.limit} requests of this minute."
        headers = {"retry-after": str(seconds)}
        raise GatewayError(429, f"{made} Try again in {seconds} s.", code=EXCEEDED, headers=headers)
    cap = organization.monthly_cap_usd
    if cap is not None and cap <= organization.usage_days.in_month(month_of(timezone.now())).spent():
        raise cap_reached(cap)


def prepare(organization: Organization, choice: Choice, **asked: Any) -> Question:
    """The question to `choice`; `asked` is the body of the request without its model."""
    body = msgspec.json.encode({"model": choice.label, **asked})
    question = Question(
        organization_id=organization.pk,
        choice=choice,
        request=Request(path=PATH, headers=[], call=read_call(body)),
    )
    try:
        return replace(question, route=_route(organization, choice))
    except GatewayError as error:
        return replace(question, refusal=str(error))


def _route(organization: Organization, choice: Choice) -> Route:
    # A member has no key, so the calls are counted without one.
    caller = Caller(key=ApiKey(id=None, organization=organization))
    if choice.agent is not None:
        return replace(Reader().route_of_agent(caller, choice.agent), recording=COLLECTED)
    assert choice.model is not None
    target = Reader().base_target(choice.model) if choice.is_base else Reader().target(choice.model)
    return Route(caller=caller, target=target, recording=COLLECTED)


class Notes(Journal):
    """Counts a call like any other, but keeps what was said to itself."""

    last: CallRecord | None = None

    def append(self, record: CallRecord) -> None:
        super().append(msgspec.structs.replace(record, said=None))
        self.last = record


class Reply:
    """Takes what the relay sends: gives events on as they come, and keeps an answer that is no stream."""

    def __init__(self, give: Callable[[bytes], Awaitable[None]]) -> None:
        self._give = give
        self._is_stream = False
        self.http_status = 0
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.http_status = message["status"]
            kind = dict(message["headers"]).get(b"content-type", b"")
            self._is_stream = self.http_status == 200 and kind.startswith(EVENT_STREAM)
        elif self._is_stream:
            await self._give(message["body"])
        else:
            self.body += message["body"]


async def ask(question: Question, give: Callable[[bytes], Awaitable[None]]) -> Answer:
    """Ask, and give the events of a stream on as they come. Cancelling it stops the provider's call."""
    if question.route is None:
        return Answer(error=question.refusal)
    reply = Reply(give)
    try:
        record = await _relay(question.request, question.route, reply)
    except GatewayError as error:
        return Answer(error=str(error))
    facts = _facts(record)
    if reply.http_status != 200:
        return Answer(error=_refusal(reply), facts=facts)
    if record.said is None or record.errors:
        return Answer(error="The provider broke off, or said nothing.", facts=facts)
    return Answer(text=text_of(record.said.messages[-1]), facts=facts, saving=_saving(question, record))


async def _relay(request: Request, route: Route, reply: Reply) -> CallRecord:
    """Raises GatewayError."""
    providers, limits, notes = Providers(), Limits(), Notes(settings.GATEWAY_FOLDER)
    relay = Relay(request, route, providers=providers, journal=notes, limits=limits, send=reply.take)
    try:
        await relay.run()
    except OSError as error:
        logger.exception("a call could not be counted")
        raise unavailable("The call could not be counted. Try again.") from error
    finally:
        notes.release()
        await providers.close()
        await limits.close()
    assert notes.last is not None
    return notes.last


async def stream(question: Question) -> AsyncIterator[bytes]:
    """The provider's events as they come, then one of type `answer` with the fields of Answer.

    Closing it stops the provider's call.
    """
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
    asking = asyncio.create_task(_fill(pieces, question))
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def _fill(pieces: asyncio.Queue[bytes | None], question: Question) -> None:
    try:
        answer = await ask(question, pieces.put)
    except Exception:
        logger.exception("a question could not be asked")
        answer = Answer(error="The server could not do this. Try again in a moment.")
    await pieces.put(b"event: answer\ndata: " + msgspec.json.encode(answer) + b"\n\n")
    await pieces.put(None)


def text_of(message: dict[str, Any]) -> str:
    """What a message says; one without text, such as a call of a tool, as the JSON that it is."""
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(message, indent=2, ensure_ascii=False)


def _facts(record: CallRecord) -> str:
    """How long it took, and what it used; an error that used nothing has no price."""
    is_streamed = record.first_token_ms < record.latency_ms
    first = f", the first token after {record.first_token_ms:,} ms" if is_streamed else ""
    took = f"{record.latency_ms:,} ms{first}"
    if not record.prompt_tokens and not record.completion_tokens:
        return took
    price = "price unknown" if record.unpriced_tokens else f"${record.price_usd:.6f}"
    return f"{took}; {record.prompt_tokens:,} + {record.completion_tokens:,} tokens; {price}"


def _refusal(reply: Reply) -> str:
    words = WORDS.get(reply.http_status, f"The provider answered with status {reply.http_status}.")
    try:
        said = msgspec.json.decode(reply.body)["error"]["message"]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return words
    return f"{words} It said: {said}" if isinstance(said, str) and said else words


def _saving(question: Question, record: CallRecord) -> str:
    assert record.said is not None
    subject = question.choice.agent or question.choice.model
    kept = {
        "organization": str(question.organization_id),
        "workspace": str(subject.workspace_id) if subject and subject.workspace_id else None,
        "agent_id": question.choice.agent.name if question.choice.agent else "",
        "model": record.provider_model_id[:MODEL_LENGTH],
        "external_id": f"playground-{uuid7()}",
        "messages": record.said.messages,
    }
    return signing.dumps(kept, salt=SALT, compress=True)


def save_answer(organization: Organization, saving: str, *, by: User) -> bool:
    """Keep a conversation of the last day as raw material for datasets; False when it was kept already.

    Raises AnswerNotSavable.
    """
    try:
        kept = signing.loads(saving, salt=SALT, max_age=SAVABLE_FOR)
    except signing.BadSignature as error:
        raise AnswerNotSavable("This answer can be saved no longer. Ask again.") from error
    if kept.pop("organization") != str(organization.pk):
        raise AnswerNotSavable("This answer belongs to another organization.")
    workspace = organization.workspaces.filter(pk=kept.pop("workspace")).first()
    _, is_new = organization.conversations.record(created_by=by, workspace=workspace, **kept)
    return is_new
