"""Answers that are kept, so that a request that is sent again is not done again."""

import json
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models

from finetuning import sealing
from finetuning.ids import uuid7
from finetuning.models.organizations import Organization

KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255


class IdempotentAnswerQuerySet(models.QuerySet["IdempotentAnswer"]):
    def forgotten(self, now: datetime) -> Self:
        """Those that are older than 24 hours: their keys are free again."""
        return self.filter(created_at__lte=now - KEPT_FOR)

    def kept(self, now: datetime) -> Self:
        return self.filter(created_at__gt=now - KEPT_FOR)


class IdempotentAnswer(models.Model):
    """What an organization's request with an `Idempotency-Key` was answered.

    The row is made before what the request asks for, and in the same transaction: it is there exactly when
    that was done. The answer is sealed, because some hold a secret that is kept nowhere else in clear.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="idempotent_answers")
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of who asked for what.")
    sealed_answer = models.BinaryField(default=bytes, editable=False)
    created_at = models.DateTimeField(db_index=True)

    objects = IdempotentAnswerQuerySet.as_manager()

    class Meta:
        db_table = "idempotent_answers"
        constraints = [
            models.UniqueConstraint(fields=["organization", "key"], name="idempotent_answers_key_once"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def _place(self) -> str:
        return f"{self.organization_id}|idempotent_answers.answer|{self.pk}"

    @property
    def answer(self) -> dict[str, Any]:
        """`{status, headers, body}` as they were sent. Raises InvalidTag when their key was taken away."""
        answer: dict[str, Any] = json.loads(sealing.unseal(bytes(self.sealed_answer), place=self._place))
        return answer

    def keep(self, *, status: int, headers: dict[str, str], body: str) -> None:
        answer = json.dumps({"status": status, "headers": headers, "body": body})
        self.sealed_answer = sealing.seal(answer, place=self._place)
        self.save(update_fields=["sealed_answer"])
