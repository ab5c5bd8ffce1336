"""Who may call what: asked of the database at most a few times a second, known for less than one.

A key that was revoked, an agent that was switched and a cap that was reached all act within a second.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import Error, InterfaceError, OperationalError, connections
from django.db.models import Q
from django.utils import timezone

from finetuning.models import ProviderAccount
from finetuning.providers import base_url, key_of
from finetuning.providers.base import ProviderRefused
from models_registry.gateway.errors import GatewayError, invalid_key, no_such_model, unavailable
from models_registry.models import Agent, ApiKey, FineTunedModel
from models_registry.models.api_keys import PREFIX_LENGTH, digest_of
from models_registry.usage import Prices, month_of, prices_of

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
# Counted from before the database was asked. Between the two, the answer is used and asked for anew.
FRESH_SECONDS = 0.4
KNOWN_SECONDS = 0.9
REMEMBERED = 10_000
# A shorter key is a local server's word, such as `none`; in an answer it gives nothing away.
MIN_SECRET_BYTES = 8
# For an answer of the database; after that the application is told to try again.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """One model at one provider. `model_id` is None for a base model that stands in."""

    provider_model_id: str
    base_url: str
    api_key: str = field(repr=False)
    prices: Prices | None = None
    model_id: UUID | None = None

    def hide_key(self, text: bytes) -> bytes:
        """`text` as it can be sent on: some providers repeat the whole key when they refuse it."""
        key = self.api_key.encode()
        return text.replace(key, b"(the key)") if len(key) >= MIN_SECRET_BYTES else text


@dataclass(frozen=True, kw_only=True)
class Caller:
    """What a key may."""

    key_id: UUID
    organization_id: UUID
    requests_per_minute: int | None
    tokens_per_minute: int | None
    reached_cap: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Which calls of an agent are kept as conversations: `percent` of all, or of those with consent."""

    agent_name: str
    workspace_id: UUID | None
    needs_consent: bool
    percent: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where the calls of one name go. `second_share` is a percentage."""

    caller: Caller
    target: Target
    agent_id: UUID | None = None
    recording: Recording | None = None
    second: Target | None = None
    second_share: int = 0
    fallback: Target | None = None


@dataclass
class Known:
    """An answer of the database and when it was asked for, in seconds of the event loop."""

    route: Route
    asked_at: float


class Directory:
    """Asks the database in one thread of its own, which keeps its connection: no call ever holds one."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-directory")
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[Route]] = {}

    async def find_route(self, clear_key: str, name: str) -> Route:
        """Where the calls of `name` with this key go. Raises GatewayError 401, 404 or 503."""
        entry, now = (digest_of(clear_key), name), asyncio.get_running_loop().time()
        known = self._known.get(entry)
        age = now - known.asked_at if known else KNOWN_SECONDS
        if known and age < FRESH_SECONDS:
            return known.route
        asking = self._asking.get(entry) or self._ask(entry, clear_key, name)
        return known.route if known and age < KNOWN_SECONDS else await asyncio.shield(asking)

    def _ask(self, entry: tuple[str, str], clear_key: str, name: str) -> "asyncio.Task[Route]":
        task = asyncio.create_task(self._learn(entry, clear_key, name))
        self._asking[entry] = task
        task.add_done_callback(lambda done: self._asked(entry, done))
        return task

    def _asked(self, entry: tuple[str, str], done: "asyncio.Task[Route]") -> None:
        self._asking.pop(entry, None)
        if not done.cancelled() and isinstance(done.exception(), GatewayError):
            logger.debug("no route: %s", done.exception())

    async def _learn(self, entry: tuple[str, str], clear_key: str, name: str) -> Route:
        asked_at = asyncio.get_running_loop().time()
        try:
            route = await self.ask(lambda: read_route(clear_key, name))
        except GatewayError as error:
            if error.http_status != 503:
                self._known.pop(entry, None)
            raise
        self._known[entry] = Known(route, asked_at)
        self._known.move_to_end(entry)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return route

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question to the database. Raises GatewayError 503 while it is away."""
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._thread, _again_if_broken, question)
            return await asyncio.wait_for(asked, PATIENCE_SECONDS)
        except (Error, TimeoutError) as error:
            # The words of other errors may be those of users.
            is_away = isinstance(error, InterfaceError | OperationalError)
            logger.warning("the database does not answer: %s", error if is_away else type(error).__name__)
            raise unavailable("Keys cannot be checked right now. Try again.") from error

    def close(self) -> None:
        self._thread.submit(connections.close_all)
        self._thread.shutdown()


def _again_if_broken(question: Callable[[], Answer]) -> Answer:
    """A connection that broke since the last question is found out by asking."""
    try:
        return question()
    except (InterfaceError, OperationalError):
        connections.close_all()
        return question()


def read_key(clear_key: str) -> ApiKey:
    """Raises GatewayError 401."""
    key = ApiKey.objects.find_live(clear_key) if clear_key.startswith("at-") else None
    if key is None:
        raise invalid_key(f"{clear_key[:PREFIX_LENGTH]}***" if clear_key else "")
    return key


def read_route(clear_key: str, name: str) -> Route:
    """What the database says now. Raises GatewayError 401, 404."""
    key = read_key(clear_key)
    if "\0" in name:
        raise no_such_model(name)
    caller = _caller(key)
    agent = key.organization.agents.with_accounts().filter(name=name).first()
    if agent is not None:
        return _route_of_agent(key, caller, agent)
    model = _model(key, name)
    if model is None or not key.allows(agent=None, model=model):
        raise no_such_model(name)
    return Route(caller=caller, target=_target(model))


def _route_of_agent(key: ApiKey, caller: Caller, agent: Agent) -> Route:
    if agent.model is None or not key.allows(agent=agent, model=agent.model):
        raise no_such_model(agent.name)
    second = agent.second_model
    return Route(
        caller=caller,
        agent_id=agent.pk,
        recording=_recording(agent),
        target=_target(agent.model),
        second=_target(second) if second else None,
        second_share=agent.second_share,
        fallback=_stand_in(agent, agent.model),
    )


def _stand_in(agent: Agent, model: FineTunedModel) -> Target | None:
    """What answers when `model` fails; nothing that was put away, or that cannot be asked."""
    fallback = agent.fallback_model
    try:
        if agent.falls_back_to_base:
            return _target_of(model.provider_account, model.base_model)
        return _target(fallback) if fallback and fallback.is_callable else None
    except GatewayError as error:
        logger.warning("nothing stands in for the model of agent %s: %s", agent.pk, error)
        return None


def _recording(agent: Agent) -> Recording | None:
    if agent.recording == Agent.Recording.OFF:
        return None
    return Recording(
        agent_name=agent.name,
        workspace_id=agent.workspace_id,
        needs_consent=agent.recording == Agent.Recording.CONSENTED,
        percent=agent.recorded_percent,
    )


def _model(key: ApiKey, name: str) -> FineTunedModel | None:
    """A deployed model by its id, or by the provider's."""
    try:
        by_id = Q(pk=UUID(name))
    except (ValueError, ValidationError):
        by_id = Q(provider_model_id=name)
    deployed = key.organization.fine_tuned_models.deployed().filter(by_id)
    model: FineTunedModel | None = deployed.select_related("provider_account").order_by("-created_at").first()
    return model


def _target(model: FineTunedModel) -> Target:
    account = model.provider_account
    prices = prices_of(account, model.base_model)
    return replace(_target_of(account, model.provider_model_id), prices=prices, model_id=model.pk)


def _target_of(account: ProviderAccount, provider_model_id: str) -> Target:
    """Without a price: the book has those of fine-tuned models alone."""
    try:
        url, api_key = base_url(account), key_of(account)
    except ProviderRefused as error:
        raise GatewayError(
            503, error.message, code=error.code or "provider_refused", type="server_error"
        ) from error
    if not api_key:
        message = "The provider account has no API key."
        raise GatewayError(503, message, code="provider_key_missing", type="server_error")
    return Target(
        provider_model_id=provider_model_id,
        base_url=url.rstrip("/"),
        api_key=api_key,
    )


def _caller(key: ApiKey) -> Caller:
    organization = key.organization
    cap, now = organization.monthly_cap_usd, timezone.now()
    is_reached = cap is not None and organization.usage_days.since(month_of(now)).spent() >= cap
    return Caller(
        key_id=key.pk,
        organization_id=organization.pk,
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        reached_cap=cap if is_reached else None,
    )


def read_models(clear_key: str) -> list[dict[str, object]]:
    """What the key may call, in the protocol's shape: agents first. Raises GatewayError 401."""
    key = read_key(clear_key)
    agents = key.organization.agents.with_accounts().filter(model__isnull=False).order_by("name")
    models = key.organization.fine_tuned_models.deployed().order_by("-created_at", "-id")
    return [
        *(_shown(one.name, one) for one in agents if one.model and key.allows(agent=one, model=one.model)),
        *(_shown(one.provider_model_id, one) for one in models if key.allows(agent=None, model=one)),
    ]


def _shown(name: str, row: Agent | FineTunedModel) -> dict[str, object]:
    created = int(row.created_at.timestamp())
    return {"id": name, "object": "model", "created": created, "owned_by": "organization"}
