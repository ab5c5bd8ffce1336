"""The second factor of operators: codes of an app on their telephone (TOTP, RFC 6238)."""

import secrets
from base64 import b32decode, b32encode
from datetime import datetime
from hmac import compare_digest
from typing import ClassVar

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce

from finetuning import sealing
from finetuning.models.users import User

SECRET_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
# The telephone's clock may be as far ahead or behind.
NEIGHBOURS = (0, -1, 1)


class SecondFactor(models.Model):
    """The secret that the app and we share. It counts once it was confirmed by a code."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="second_factor")
    sealed_secret = models.BinaryField(editable=False)
    last_step = models.BigIntegerField(default=0, help_text="Of the last code: each is good once.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    audited: ClassVar[tuple[str, ...]] = ("confirmed_at",)

    class Meta:
        db_table = "second_factors"

    def __str__(self) -> str:
        return f"Second factor of {self.user}"

    @property
    def place(self) -> str:
        """What the secret is bound to, so that another row's is no good here."""
        return f"{self.user_id}/second_factor"

    def draw_secret(self) -> None:
        """Seal a new secret into the column; the caller saves."""
        secret = b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
        self.sealed_secret = sealing.seal(secret, place=self.place)

    @property
    def secret(self) -> str:
        """In clear, in letters and digits (base 32), as it is typed into an app. Never logged."""
        return sealing.unseal(bytes(self.sealed_secret), place=self.place)

    @property
    def link(self) -> str:
        """Opens an app on the telephone, which then knows the secret."""
        return self._codes().get_provisioning_uri(self.user.email, "Attune")

    def use_code(self, code: str, *, now: datetime) -> bool:
        """Whether the code is right and was not used; it is used up by that, and the factor confirmed.

        One guarded UPDATE, so of any number of requests with the same code one gets True.
        """
        step = self._step_of(code, now=now)
        if step is None:
            return False
        unused = SecondFactor.objects.filter(pk=self.pk, last_step__lt=step)
        used = unused.update(last_step=step, confirmed_at=Coalesce(F("confirmed_at"), now))
        self.refresh_from_db(fields=["last_step", "confirmed_at"])
        return bool(used)

    def _step_of(self, code: str, *, now: datetime) -> int | None:
        codes, present = self._codes(), int(now.timestamp()) // STEP_SECONDS
        for step in (present + neighbour for neighbour in NEIGHBOURS):
            if compare_digest(codes.generate(step * STEP_SECONDS), code.encode()):
                return step
        return None

    def _codes(self) -> TOTP:
        # The standard's algorithm, and the only one that all apps know; HMAC needs no more of it.
        return TOTP(b32decode(self.secret), DIGITS, SHA1(), STEP_SECONDS)  # nosec B303 # noqa: S303
