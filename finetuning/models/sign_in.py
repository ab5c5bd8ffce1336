"""Counts attempts to sign in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from django.db import connection, models
from django.db.models import F

SIGN_IN_WINDOW = timedelta(minutes=15)

# One statement: of many attempts at the same time each gets a number of its own.
COUNT = """
INSERT INTO sign_in_counters AS counter (subject, attempts, started_at) VALUES (%(subject)s, 1, %(now)s)
ON CONFLICT (subject) DO UPDATE SET
    attempts = CASE WHEN counter.started_at <= %(start)s THEN 1 ELSE counter.attempts + 1 END,
    started_at = CASE WHEN counter.started_at <= %(start)s THEN %(now)s ELSE counter.started_at END
RETURNING attempts, started_at
"""


class SignInCounterQuerySet(models.QuerySet["SignInCounter"]):
    def count_attempt(self, subject: str, *, now: datetime) -> "SignInCounter":
        """Count one attempt, in a new window when the last one is over, and return the counter after it."""
        with connection.cursor() as cursor:
            cursor.execute(COUNT, {"subject": subject, "now": now, "start": now - SIGN_IN_WINDOW})
            attempts, started_at = cursor.fetchone()
        return SignInCounter(subject=subject, attempts=attempts, started_at=started_at)

    def take_back(self, subjects: Sequence[str]) -> None:
        """Forget one attempt of each: it was right."""
        self.filter(subject__in=subjects, attempts__gt=0).update(attempts=F("attempts") - 1)

    def over(self, now: datetime) -> Self:
        return self.filter(started_at__lte=now - SIGN_IN_WINDOW)


class SignInCounter(models.Model):
    """Attempts for one account or from one network, since the first one in the present window."""

    subject = models.CharField(primary_key=True, max_length=100)
    attempts = models.IntegerField()
    started_at = models.DateTimeField(db_index=True)

    objects = SignInCounterQuerySet.as_manager()

    class Meta:
        db_table = "sign_in_counters"

    def __str__(self) -> str:
        return f"{self.subject}: {self.attempts}"

    @property
    def ends_at(self) -> datetime:
        return self.started_at + SIGN_IN_WINDOW
