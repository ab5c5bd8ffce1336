"""What the database says: who may call what, and where that is."""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from finetuning.models import Organization, ProviderAccount
from finetuning.providers import base_url, key_of
from finetuning.providers.base import ProviderRefused
from models_registry.gateway.errors import GatewayError, invalid_key, no_such_model, suspended
from models_registry.models import Agent, ApiKey, FineTunedModel
from models_registry.models.api_keys import KEY_MARK, PREFIX_LENGTH
from models_registry.usage import Prices, month_of, plain_prices_of, prices_of

logger = logging.getLogger(__name__)

Subject = TypeVar("Subject")
Value = TypeVar("Value")
# Operators change prices by the day; what was spent is behind by the second that counting takes anyway.
PRICES_SECONDS = 60.0
SPENT_SECONDS = 0.4
REMEMBERED = 10_000
# A shorter key is a local server's word, such as `none`; in an answer it gives nothing away.
MIN_SECRET_BYTES = 8


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
    """What a key may. Its row is for questions to the database, of which the event loop asks none."""

    key: ApiKey = field(repr=False)
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


class Recent(Generic[Subject, Value]):
    """What was read of something in the last `seconds`, by one thread."""

    def __init__(self, seconds: float, read: Callable[[Subject], Value]) -> None:
        self._seconds = seconds
        self._read = read
        self._known: dict[Hashable, tuple[float, Value]] = {}

    def of(self, subject: Subject, *, name: Hashable) -> Value:
        """`name` tells subjects apart."""
        now = time.monotonic()
        if name in self._known and now - self._known[name][0] < self._seconds:
            return self._known[name][1]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        value = self._read(subject)
        self._known[name] = (now, value)
        return value


class Reader:
    """Reads for the directory, in its one thread."""

    def __init__(self) -> None:
        self._spent = Recent(SPENT_SECONDS, _spent)
        self._prices = Recent(PRICES_SECONDS, _prices)
        self._plain_prices = Recent(PRICES_SECONDS, _plain_prices)

    def read_caller(self, clear_key: str) -> Caller:
        """Whose key this is. Raises GatewayError 401, 403."""
        key = ApiKey.objects.find_live(clear_key) if clear_key.startswith(KEY_MARK) else None
        if key is None:
            raise invalid_key(f"{clear_key[:PREFIX_LENGTH]}***" if clear_key else "")
        if key.organization.is_suspended:
            raise suspended(key.organization.suspension)
        cap = key.organization.monthly_cap_usd
        is_reached = cap is not None and cap <= self._spent.of(key.organization, name=key.organization_id)
        return Caller(key=key, reached_cap=cap if is_reached else None)

    def read_route(self, caller: Caller, name: str) -> Route:
        """Where the caller's calls of `name` go. Raises GatewayError 404, 503."""
        if "\0" in name:
            raise no_such_model(name)
        key = caller.key
        agent = key.organization.agents.with_accounts().filter(name=name).first()
        if agent is not None:
            if agent.model is None or not key.allows(agent=agent, model=agent.model):
                raise no_such_model(name)
            return self.route_of_agent(caller, agent)
        model = _model(key, name)
        if model is None or not key.allows(agent=None, model=model):
            raise no_such_model(name)
        return Route(caller=caller, target=self.target(model))

    def route_of_agent(self, caller: Caller, agent: Agent) -> Route:
        """Where the agent's calls go, whoever makes them: past its model, where that cannot be asked.

        Raises GatewayError 404, 503.
        """
        model = agent.model
        if model is None:
            raise no_such_model(agent.name)
        second, fallback = self._beside(agent, agent.second_model), self._stand_in(agent, model)
        other = second or fallback
        try:
            target = self.target(model)
        except GatewayError as error:
            if other is None:
                raise
            _do_without(agent, error)
            target = other
        return Route(
            caller=caller,
            agent_id=agent.pk,
            recording=_recording(agent),
            target=target,
            second=second,
            second_share=agent.second_share,
            fallback=fallback,
        )

    def _stand_in(self, agent: Agent, model: FineTunedModel) -> Target | None:
        """What answers when `model` fails."""
        if agent.falls_back_to_base:
            return _usable(agent, lambda: self.base_target(model))
        return self._beside(agent, agent.fallback_model)

    def _beside(self, agent: Agent, model: FineTunedModel | None) -> Target | None:
        """A model that the agent can do without; nothing that was put away, or that cannot be asked."""
        if model is None or not model.is_callable:
            return None
        return _usable(agent, lambda: self.target(model))

    def base_target(self, model: FineTunedModel) -> Target:
        """What `model` was made from, at the same provider. Raises GatewayError 503."""
        account = model.provider_account
        prices = self._plain_prices.of(model, name=(account.kind, model.base_model))
        return replace(target_of(account, model.base_model), prices=prices)

    def target(self, model: FineTunedModel) -> Target:
        """The model where its provider has it. Raises GatewayError 503."""
        account = model.provider_account
        prices = self._prices.of(model, name=(account.kind, model.base_model))
        return replace(target_of(account, model.provider_model_id), prices=prices, model_id=model.pk)


def _usable(agent: Agent, read: Callable[[], Target]) -> Target | None:
    """What `read` gives; None, and a line in the log, where its provider account cannot be used."""
    try:
        return read()
    except GatewayError as error:
        _do_without(agent, error)
        return None


def _do_without(agent: Agent, error: GatewayError) -> None:
    logger.warning("agent %s does without a model: %s", agent.pk, error)


def _spent(organization: Organization) -> Decimal:
    return organization.usage_days.in_month(month_of(timezone.now())).spent()


def _prices(model: FineTunedModel) -> Prices | None:
    return prices_of(model.provider_account, model.base_model)


def _plain_prices(model: FineTunedModel) -> Prices | None:
    return plain_prices_of(model.provider_account, model.base_model)


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
    except ValueError:
        by_id = Q(provider_model_id=name)
    deployed = key.organization.fine_tuned_models.deployed().filter(by_id)
    model: FineTunedModel | None = deployed.select_related("provider_account").order_by("-created_at").first()
    return model


def target_of(account: ProviderAccount, provider_model_id: str) -> Target:
    """What the account's provider calls by that name, without a price. Raises GatewayError 503."""
    try:
        url, api_key = base_url(account), key_of(account)
    except ProviderRefused as error:
        raise _refusal(error.message, code=error.code or "provider_refused") from error
    if not api_key:
        raise _refusal("The provider account has no API key.", code="provider_key_missing")
    return Target(provider_model_id=provider_model_id, base_url=url.rstrip("/"), api_key=api_key)


def _refusal(message: str, *, code: str) -> GatewayError:
    return GatewayError(503, message, code=code, type="server_error")


def read_models(caller: Caller) -> list[dict[str, object]]:
    """What the key may call, in the protocol's shape: agents first."""
    key = caller.key
    agents = key.organization.agents.with_accounts().filter(model__isnull=False).order_by("name")
    models = key.organization.fine_tuned_models.deployed().order_by("-created_at", "-id")
    return [
        *(_shown(one.name, one) for one in agents if one.model and key.allows(agent=one, model=one.model)),
        *(_shown(one.provider_model_id, one) for one in models if key.allows(agent=None, model=one)),
    ]


def _shown(name: str, row: Agent | FineTunedModel) -> dict[str, object]:
    created = int(row.created_at.timestamp())
    return {"id": name, "object": "model", "created": created, "owned_by": "organization"}
