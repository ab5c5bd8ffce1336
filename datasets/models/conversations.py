"""Recorded conversations: what a dataset can be imported from."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast
from django.utils import timezone

from finetuning.models import Organization, OrganizationOwned


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def matching(
        self,
        *,
        agent_id: str | None = None,
        model: str | None = None,
        tags: Sequence[str] | None = None,
        search: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        min_quality_score: float | None = None,
    ) -> Self:
        """Conversations within all the given limits, the oldest first; the dates include both ends.

        They have each of the `tags`, and the text `search` was said in them. A corrected one is good enough
        whatever score its answer had.
        """
        named = {"agent_id": agent_id, "model": model, "tags__contains": tags}
        found = self.filter(**{name: value for name, value in named.items() if value})
        if search:
            found = found._saying(search)
        if start_date:
            found = found.filter(occurred_at__gte=start_date)
        if end_date:
            found = found.filter(occurred_at__lte=end_date)
        if min_quality_score is not None:
            found = found.filter(Q(quality_score__gte=min_quality_score) | ~Q(corrected_answer=""))
        return found.order_by("occurred_at", "id")

    def _saying(self, search: str) -> Self:
        # The contents are JSON: what is looked for is written as it stands there.
        written = json.dumps(search, ensure_ascii=False)[1:-1]
        said = Func(F("messages"), Value("$[*].content"), function="jsonb_path_query_array")
        return self.alias(said=Cast(said, models.TextField())).filter(
            Q(said__icontains=written) | Q(corrected_answer__icontains=search)
        )


class ConversationManager(models.Manager.from_queryset(ConversationQuerySet)):  # type: ignore[misc]
    """On the manager, not on the QuerySet: only there `create` fills in the organization."""

    def total(self) -> int:
        """How many `organization.conversations` there are."""
        total: int = self.instance.stat_changes.sums("conversations")["recorded"][""]
        return total

    def record(self, *, messages: list[dict[str, Any]], **columns: Any) -> tuple["Conversation", bool]:
        """Keep a conversation, and say whether it is new.

        One with the `external_id` of an earlier one is that earlier one.
        """
        external_id = columns.pop("external_id", None)
        if external_id is None:
            return self.create(messages=messages, **columns), True
        found: tuple[Conversation, bool] = self.get_or_create(
            external_id=external_id, defaults={"messages": messages, **columns}
        )
        return found

    def record_new(self, conversations: Sequence["Conversation"]) -> int:
        """Keep those whose external id is not known, neither here nor from one before; how many they are."""
        # In one order, so that two who bring the same do not wait for each other.
        in_order = sorted(conversations, key=lambda one: one.external_id or "")
        self.bulk_create(in_order, ignore_conflicts=True)
        is_new: int = self.filter(pk__in=[one.pk for one in conversations]).count()
        return is_new


class Conversation(OrganizationOwned):
    """What was said with a model: raw material for a dataset."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="conversations")
    external_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null: never equal
    agent_id = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), blank=True, help_text="Words to find it by."
    )
    messages = models.JSONField()
    quality_score = models.FloatField(null=True, blank=True, help_text="From 0 (bad) to 1 (good).")
    corrected_answer = models.TextField(
        blank=True, default="", db_default="", help_text="What should have been answered."
    )
    occurred_at = models.DateTimeField(default=timezone.now)

    objects = ConversationManager()

    class Meta:
        db_table = "conversations"
        indexes = [
            models.Index(fields=["organization", "occurred_at", "id"], name="conversations_by_time"),
            models.Index(fields=["organization", "-created_at", "-id"], name="conversations_newest"),
            models.Index(
                fields=["organization", "agent_id", "-created_at", "-id"], name="conversations_of_agent"
            ),
            models.Index(fields=["workspace", "-created_at", "-id"], name="conversations_of_workspace"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "external_id"], name="conversations_external_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(quality_score__isnull=True) | Q(quality_score__range=(0, 1)),
                name="conversations_quality_score_range",
            ),
        ]

    def __str__(self) -> str:
        return f"conversation of {self.occurred_at:%Y-%m-%d %H:%M}"

    def rate(self, **feedback: Any) -> bool:
        """Keep what somebody thinks of the last answer: `quality_score` from 0 to 1, `corrected_answer`.

        False: it was deleted meanwhile.
        """
        columns = {**feedback, "updated_at": timezone.now()}
        for name, value in columns.items():
            setattr(self, name, value)
        return bool(Conversation.objects.filter(pk=self.pk).update(**columns))

    @property
    def training_messages(self) -> list[dict[str, Any]]:
        """The messages as an example has them: up to the corrected answer, if there is one."""
        if not self.corrected_answer:
            messages: list[dict[str, Any]] = self.messages
            return messages
        is_answer = [isinstance(one, dict) and one.get("role") == "assistant" for one in self.messages]
        answers = [at for at, found in enumerate(is_answer) if found]
        before = self.messages[: answers[-1]] if answers else self.messages
        return [*before, {"role": "assistant", "content": self.corrected_answer}]
