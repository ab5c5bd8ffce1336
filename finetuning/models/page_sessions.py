"""Sessions of the pages, as their owners see them."""

from datetime import datetime
from typing import Self
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from finetuning.browsers import browser_of
from finetuning.ids import uuid7
from finetuning.models.users import User

USER_AGENT_LENGTH = 300


class PageSessionQuerySet(models.QuerySet["PageSession"]):
    def living(self, now: datetime) -> Self:
        return self.filter(session__expire_date__gt=now)

    def end(self) -> int:
        """End the sessions: whoever has one of them is asked to sign in. Returns how many there were."""
        ended, _ = Session.objects.filter(pk__in=self.values("session")).delete()
        return ended

    def follow(self, pk: UUID, *, session_key: str, user_id: UUID, address: str | None, agent: str) -> None:
        """Keep the row of a session whose key is `session_key` now; make it for one that has just begun."""
        if not User.objects.filter(pk=user_id).exists():
            return
        now = {"session_id": session_key}
        begun = now | {"user_id": user_id, "address": address, "user_agent": agent[:USER_AGENT_LENGTH]}
        self.update_or_create(pk=pk, defaults=now, create_defaults=begun)


class PageSession(models.Model):
    """One sign-in to the pages. Its id may be shown, the session's key may not: it lets in whoever has it.

    The database deletes it with its session, whoever deletes that: `ON DELETE CASCADE` of the migration.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.OneToOneField(
        Session, models.DO_NOTHING, db_constraint=False, related_name="page_session"
    )
    user = models.ForeignKey(User, models.CASCADE, related_name="page_sessions")
    began_at = models.DateTimeField(default=timezone.now)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)

    objects = PageSessionQuerySet.as_manager()

    class Meta:
        db_table = "page_sessions"

    @property
    def browser(self) -> str:
        return browser_of(self.user_agent)

    def __str__(self) -> str:
        return f"Session {self.pk}"
