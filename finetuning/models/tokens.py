"""Sign-ins to the API."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from finetuning.ids import uuid7

# After that somebody types the password again, however often the tokens were renewed.
LONGEST_SIGN_IN = timedelta(days=30)


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def living(self, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=now)

    def with_organization(self) -> Self:
        return self.select_related("membership__organization", "membership__user")

    def revoke(self, now: datetime) -> int:
        """End the sign-ins: both kinds of their tokens are refused from now on. Returns how many ended."""
        return self.filter(revoked_at=None).update(revoked_at=now)


class TokenFamily(models.Model):
    """One sign-in to the API: all token pairs that came of it, one after the other, carry its id.

    Its end is theirs. It goes with the membership, so removing a member, a user or an organization ends it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    membership = models.ForeignKey("finetuning.Membership", models.CASCADE, related_name="token_families")
    jti = models.UUIDField(help_text="The one refresh token that may be used now.")
    created_at = models.DateTimeField(auto_now_add=True)
    signed_in_at = models.DateTimeField(
        default=timezone.now,
        db_default=Now(),
        help_text="When the password was given; a change to another organization gives none.",
    )
    last_used_at = models.DateTimeField(default=timezone.now, help_text="When the last pair was issued.")
    expires_at = models.DateTimeField(help_text="When the last refresh token expires.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        db_table = "token_families"
        verbose_name_plural = "token families"
        indexes = [models.Index(fields=["expires_at"], name="token_families_by_expiry")]

    def __str__(self) -> str:
        return f"Sign-in {self.pk}"

    def rotate(self, *, used: UUID, successor: UUID, expires_at: datetime, now: datetime) -> bool:
        """Let the refresh token `successor` follow `used`; both are values of `jti`.

        One guarded UPDATE, so of any number of requests with the same token one gets True. False: it was
        used before, or the family has ended.
        """
        current = TokenFamily.objects.living(now).filter(pk=self.pk, jti=used)
        return bool(current.update(jti=successor, last_used_at=now, expires_at=expires_at))
