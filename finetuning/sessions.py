"""Sessions of the pages, which end so long after they began, whatever is written to them since."""

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends import db
from django.utils import timezone

EXPIRY = "_session_expiry"


class SessionStore(db.SessionStore):
    """Django's, whose end would move on with every change."""

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if EXPIRY not in self:
            self.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
        super().save(must_create)
