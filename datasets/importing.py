"""Which conversations a dataset is imported from: the filters kept with it, and what they find."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from datasets.models import Conversation, ConversationQuerySet, Dataset
from datasets.validation import digest

AT_ONCE = 1_000
# The default for an import without `maxExamples`.
MAX_IMPORTED = 50_000
# Those of `ConversationQuerySet.matching`, under the API's names.
FILTERS = {
    "agentId": "agent_id",
    "model": "model",
    "tags": "tags",
    "search": "search",
    "startDate": "start_date",
    "endDate": "end_date",
    "minQualityScore": "min_quality_score",
}
DATES = ("startDate", "endDate")


def as_posted(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters under the API's names, dates as text: what the dataset shows as its source."""
    given = {name: filters.get(key) for name, key in FILTERS.items()}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value not in (None, "", [])
    }


def conversations_of(dataset: Dataset) -> Iterator[Conversation]:
    """The newest conversations that match the dataset's filters, the oldest of them first.

    Those that were recorded after it was asked for are left out. With `deduplicate`, the same messages come
    once, from the newest that has them.
    """
    filters: dict[str, Any] = dataset.source_filters or {}
    newest = _matching(dataset, filters).order_by("-occurred_at", "-id")
    limit = filters.get("maxExamples") or MAX_IMPORTED
    found = _distinct(newest) if filters.get("deduplicate") else newest.values_list("pk", flat=True)[:limit]
    chosen = list(islice(found, limit))[::-1]
    for start in range(0, len(chosen), AT_ONCE):
        batch = dataset.organization.conversations.filter(pk__in=chosen[start : start + AT_ONCE])
        yield from batch.order_by("occurred_at", "id")


def _matching(dataset: Dataset, filters: Mapping[str, Any]) -> ConversationQuerySet:
    given = {
        key: datetime.fromisoformat(filters[name]) if name in DATES else filters[name]
        for name, key in FILTERS.items()
        if name in filters
    }
    found: ConversationQuerySet = dataset.organization.conversations.matching(**given)
    if dataset.workspace_id:
        found = found.filter(workspace=dataset.workspace_id)
    return found.filter(created_at__lte=dataset.created_at)


def _distinct(newest: ConversationQuerySet) -> Iterator[UUID]:
    """The first of each that would make the same example."""
    seen = set()
    for conversation in newest.iterator(chunk_size=AT_ONCE):
        said = digest(conversation.training_messages)
        if said not in seen:
            seen.add(said)
            yield conversation.pk
