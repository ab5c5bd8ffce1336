"""Invitations into an organization."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from finetuning.ids import uuid7
from finetuning.models.organizations import Organization, Role

TOKEN_BYTES = 32
GOOD_FOR = timedelta(days=7)


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Neither accepted nor revoked; those that have expired are among them."""
        return self.filter(accepted_at=None, revoked_at=None)

    def usable(self, now: datetime) -> Self:
        return self.open().filter(expires_at__gt=now, organization__deleted_at=None)

    def revoke(self, *, now: datetime) -> int:
        return self.open().update(revoked_at=now)

    def accept(self, *, now: datetime) -> bool:
        """Use the invitation up. Of several who try at once, one gets True."""
        # Columns of this table only: PostgreSQL looks at them again when it has waited for another update.
        return bool(self.open().filter(expires_at__gt=now).update(accepted_at=now))


class Invitation(models.Model):
    """May become a member: whoever has the token, and the e-mail that was invited. Good once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    emailed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the e-mail left; empty: none did."
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    audited: ClassVar[tuple[str, ...]] = ("email", "role", "revoked_at")

    class Meta:
        db_table = "invitations"
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitations_one_open_per_email",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} into {self.organization} as {self.role}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
