"""Counting calls: records come in batches, and each batch counts once however often it is handed in."""

import logging
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from finetuning.models import BasePrice, Organization, ProviderAccount, Workspace, price_list
from finetuning.templatetags.finetuning import NOTHING, money
from finetuning.webhooks.events import announce
from models_registry.models import ApiKey, FineTunedModel, PlainPrice, UsageBatch, UsageDay
from models_registry.models.usage import MEASURES, UsageDayQuerySet

logger = logging.getLogger(__name__)

COUNTED_ON_MODELS = ("requests", "prompt_tokens", "completion_tokens", "latency_ms")
# A conversation's column for it.
MODEL_LENGTH = 200
PER_MILLION = Decimal(1_000_000)
SHOWN = timedelta(days=30)
WARNED_SHARE = Decimal("0.8")
# A file that is found again is known to have been counted for so long, and is not counted when it is older. A
# day between the two, for clocks that disagree.
KEPT_FOR = timedelta(days=7)
COUNTED_FOR = KEPT_FOR - timedelta(days=1)
# What is wrong with a record, and will be so the next time.
UNCOUNTABLE = (DataError, IntegrityError, ValueError, OverflowError, RecursionError)
# In Unix seconds; what the calendar has days for.
Moment = Annotated[float, msgspec.Meta(ge=0, le=4_000_000_000)]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a call as a conversation. `external_id` is the answer's own id."""

    agent_name: str
    workspace_id: UUID | None = None
    external_id: str | None = None
    messages: list[Any]


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted of one call. `ended_at` is in Unix seconds; see UsageDay for the rest."""

    ended_at: Moment
    organization_id: UUID
    provider_model_id: str
    model_id: UUID | None = None
    agent_id: UUID | None = None
    api_key_id: UUID | None = None
    requests: int = 1
    errors: int = 0
    hang_ups: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: int = 0
    first_token_ms: int = 0
    price_usd: Decimal = Decimal()
    unpriced_tokens: int = 0
    said: Said | None = None

    @property
    def ended(self) -> datetime:
        return datetime.fromtimestamp(self.ended_at, UTC)

    @property
    def dimensions(self) -> tuple[Any, ...]:
        return (
            *(self.organization_id, self.ended.date(), self.provider_model_id),
            *(self.model_id, self.agent_id, self.api_key_id),
        )


class Prices(msgspec.Struct, frozen=True):
    """US dollars per million tokens."""

    input_usd: Decimal
    cached_input_usd: Decimal
    output_usd: Decimal


def prices_of(account: ProviderAccount, base_model: str) -> Prices | None:
    """What tokens of a model cost today at `account` that was made from `base_model`; None: not known."""
    prices = price_list(account.kind, base_models=[base_model], day=timezone.now().date())
    return prices_in(prices.get(base_model))


def plain_prices_of(account: ProviderAccount, name: str) -> Prices | None:
    """What tokens of the model `name`, which nobody tuned, cost today at `account`; None: not known."""
    known = PlainPrice.objects.filter(provider_kind=account.kind, model=name)
    return prices_in(known.on(timezone.now().date()).first())


def prices_in(row: BasePrice | PlainPrice | None) -> Prices | None:
    """What a row says of tokens; None when it says nothing of the prompt's or of the answer's."""
    if row is None or row.input_usd is None or row.output_usd is None:
        return None
    cached_usd = row.input_usd if row.cached_input_usd is None else row.cached_input_usd
    return Prices(row.input_usd, cached_usd, row.output_usd)


def charge_for(
    prices: Prices | None, *, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0
) -> dict[str, Any]:
    """What a record says of the price of its tokens. `cached_tokens` are among those of the prompt."""
    if prices is None:
        return {"unpriced_tokens": prompt_tokens + completion_tokens}
    price = (
        prices.input_usd * (prompt_tokens - cached_tokens)
        + prices.cached_input_usd * cached_tokens
        + prices.output_usd * completion_tokens
    )
    return {"price_usd": price / PER_MILLION}


def month_of(moment: datetime) -> date:
    """The first day of its month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def usage_of(days: UsageDayQuerySet, *, now: datetime | None = None) -> dict[str, Any]:
    """What a page shows of `days`: the totals of the last 30 days, and rows by model, agent and key."""
    today = (now or timezone.now()).date()
    recent = days.since(today - SHOWN)
    rows = recent.summed_by("provider_model_id", "agent__name", "api_key__name")
    totals: dict[str, Any] = {name: sum(row[f"total_{name}"] for row in rows) for name in MEASURES}
    requests = totals["requests"]
    totals["charts"] = _charts(recent, today) if requests else []
    totals["average_first_token_ms"] = round(totals["first_token_ms"] / requests) if requests else None
    return {"days": SHOWN.days, "rows": rows, **totals}


def _charts(days: UsageDayQuerySet, today: date) -> list[tuple[str, list[tuple[str, float, str]]]]:
    """Titles, each with a row for each day: its date, the value, and the value in words."""
    by_day = {row["day"]: row for row in days.summed_by("day")}
    shown = [today - timedelta(days=ago) for ago in reversed(range(SHOWN.days + 1))]
    no_calls = {f"total_{name}": 0 for name in MEASURES}
    return [
        (title, [(f"{day:%d %b}", *value(by_day.get(day, no_calls))) for day in shown])
        for title, value in CHARTS.items()
    ]


def _requests(row: Mapping[str, Any]) -> tuple[float, str]:
    return row["total_requests"], f"{row['total_requests']:,}"


def _tokens(row: Mapping[str, Any]) -> tuple[float, str]:
    tokens = row["total_prompt_tokens"] + row["total_completion_tokens"]
    return tokens, f"{tokens:,}"


def _latency(row: Mapping[str, Any]) -> tuple[float, str]:
    if not row["total_requests"]:
        return 0, NOTHING
    milliseconds = round(row["total_latency_ms"] / row["total_requests"])
    return milliseconds, f"{milliseconds:,} ms"


def _price(row: Mapping[str, Any]) -> tuple[float, str]:
    """What some tokens cost nobody may know, which is not nothing."""
    usd, known = float(row["total_price_usd"]), money(row["total_price_usd"])
    if not row["total_unpriced_tokens"]:
        return usd, known
    return usd, f"{known} + unknown" if usd else "unknown"


# What is drawn of each day.
CHARTS: dict[str, Callable[[Mapping[str, Any]], tuple[float, str]]] = {
    "Requests": _requests,
    "Tokens": _tokens,
    "Latency": _latency,
    "Price": _price,
}


@transaction.atomic
def fold_batch(batch_id: UUID, records: Sequence[CallRecord]) -> list[CallRecord] | None:
    """Add a batch of calls to the numbers, but for those that the database refuses, which come back.

    None when the batch was added before.
    """
    _, is_new = UsageBatch.objects.get_or_create(pk=batch_id)
    if not is_new:
        return None
    return [] if _is_added(records) else [record for record in records if not _is_added([record])]


def _is_added(records: Sequence[CallRecord]) -> bool:
    try:
        add_usage(records)
    except UNCOUNTABLE:
        return False
    return True


def note_refused(batch_id: UUID, *, calls: int, reason: str) -> None:
    """Tell operators of calls of a file that were put aside."""
    UsageBatch.objects.update_or_create(pk=batch_id, defaults={"refused_calls": calls, "reason": reason})


def free_batch_id(batch_id: UUID) -> UUID:
    """The next id under which nothing was counted: what is refused of a batch can be put back under it.

    It is as old as `batch_id`, and the same each time until the batch is added.
    """
    following = (UUID(int=batch_id.int + step) for step in count(1))
    return next(one for one in following if not UsageBatch.objects.filter(pk=one).exists())


def forget_batches(*, now: datetime) -> None:
    """Those whose files would not be counted any more."""
    UsageBatch.objects.filter(refused_calls=0, created_at__lt=now - KEPT_FOR).delete()


@transaction.atomic
def add_usage(records: Sequence[CallRecord]) -> None:
    """Add calls to the days, to the totals of their models, to the last use of their keys.

    Calls of an organization that is gone are left out; words of a workspace that is gone are kept without it.
    Announces `spending.warned` for each organization that has spent 80 % of its cap of a month: once for each
    month and cap.
    """
    found = Organization.with_deleted.in_bulk({record.organization_id for record in records})
    kept = [record for record in records if record.organization_id in found]
    UsageDay.objects.add((*dimensions, *sums) for dimensions, sums in _sums(kept, "dimensions").items())
    _count_models(kept)
    ApiKey.objects.note_use(
        {record.api_key_id: record.ended for record in kept if record.api_key_id is not None}
    )
    workspaces = _workspaces(kept)
    for record in kept:
        if record.said is not None:
            organization = found[record.organization_id]
            _keep_conversation(organization, record, record.said, workspaces=workspaces)
    for organization_id, month in sorted(
        {(record.organization_id, month_of(record.ended)) for record in kept}
    ):
        _warn_of_cap(found[organization_id], month)


def _sums(records: Iterable[CallRecord], attribute: str) -> dict[Any, list[Any]]:
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0] * len(MEASURES))
    for record in records:
        total = sums[getattr(record, attribute)]
        for position, name in enumerate(MEASURES):
            total[position] += getattr(record, name)
    return sums


def _count_models(records: Iterable[CallRecord]) -> None:
    by_model = _sums((record for record in records if record.model_id is not None), "model_id")
    for pk, values in sorted(by_model.items()):
        sums = dict(zip(MEASURES, values, strict=True))
        FineTunedModel.with_deleted.filter(pk=pk).count_usage(
            now=timezone.now(), **{name: sums[name] for name in COUNTED_ON_MODELS}
        )


def _workspaces(records: Iterable[CallRecord]) -> set[tuple[UUID, UUID]]:
    """Those that are left of what was said, each after its organization."""
    said = [record.said for record in records if record.said is not None]
    named = {words.workspace_id for words in said if words.workspace_id is not None}
    return set(Workspace.objects.filter(pk__in=named).values_list("organization_id", "pk"))


def _keep_conversation(
    organization: Organization,
    record: CallRecord,
    said: Said,
    *,
    workspaces: Container[object],
) -> None:
    """As raw material for datasets. What the database cannot hold, such as a NUL, is not kept."""
    workspace_id = said.workspace_id if (organization.pk, said.workspace_id) in workspaces else None
    try:
        with transaction.atomic():
            organization.conversations.record(
                messages=said.messages,
                external_id=said.external_id,
                agent_id=said.agent_name,
                workspace_id=workspace_id,
                model=record.provider_model_id[:MODEL_LENGTH],
                occurred_at=record.ended,
            )
    except UNCOUNTABLE as error:
        # The words of the error are those of the conversation.
        logger.warning("a conversation of %s cannot be kept: %s", said.agent_name, type(error).__name__)


def _warn_of_cap(organization: Organization, month: date) -> None:
    cap = organization.monthly_cap_usd
    if not cap or (organization.cap_warned_on or date.min) >= month:
        return
    spent = organization.usage_days.in_month(month).spent()
    if spent >= cap * WARNED_SHARE and organization.mark_cap_warned(month):
        data = {"month": f"{month:%Y-%m}", "spentUsd": float(round(spent, 2)), "monthlyCapUsd": float(cap)}
        announce(organization, "spending.warned", data)
