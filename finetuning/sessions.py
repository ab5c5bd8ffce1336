"""Sessions of the pages, which end so long after they began, whatever is written to them since.

Each of somebody who has signed in has a row of `PageSession`. It is kept where a session is written, and
nowhere else, for a session changes its key whenever its rights change.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER
from django.contrib.sessions.backends import db
from django.db import transaction
from django.utils import timezone

from finetuning import audit
from finetuning.clients import client_address
from finetuning.ids import uuid7
from finetuning.models import PageSession

EXPIRY = "_session_expiry"
ROW = "page_session"


class SessionStore(db.SessionStore):
    """Django's, whose end would move on with every change."""

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        if USER in data and ROW not in data:
            # It began before an upgrade. Saved at the end of the request, it gets its row.
            self.modified = True
        return data

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if EXPIRY not in self:
            self.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
        if USER not in self or (ROW in self and not must_create):
            super().save(must_create)
            return
        self.setdefault(ROW, str(uuid7()))
        with transaction.atomic():
            super().save(must_create)
            self._keep_row()

    def _keep_row(self) -> None:
        request = audit.asking_request()
        address = client_address(request)
        agent = request.headers.get("User-Agent", "") if request else ""
        PageSession.objects.follow(
            UUID(self[ROW]),
            session_key=self.session_key or "",
            user_id=UUID(self[USER]),
            address=str(address) if address else None,
            agent="".join(letter for letter in agent if letter.isprintable()),
        )
