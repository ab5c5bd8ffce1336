"""Guessing passwords has a limit, by account and by network, wherever one signs in.

The API, the pages and the admin ask Django's `authenticate`, and this is its only backend. An attempt is
counted before the password is looked at, so that of many at the same time none is too many; a right one is
taken back. The counters are rows: a flushed or missing Redis gives nobody more guesses.
"""

import ipaddress
import math
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from finetuning import audit
from finetuning.clients import client_address
from finetuning.errors import TooMany
from finetuning.limits import Allowance
from finetuning.models import SignInCounter, User

# Hashing a longer one would cost more than it protects.
MAX_PASSWORD_LENGTH = 1024
IPV6_NETWORK_BITS = 64


class TooManySignIns(TooMany):
    code = "too_many_sign_ins"


class LimitedBackend(ModelBackend):
    """Django's own, behind the limits."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user, or None for whatever is wrong. Raises TooManySignIns, for any account, known or not."""
        if username is None or password is None:
            return None
        network = client_network(request)
        account = f"account:{sha256(username.strip().upper().encode(errors='replace')).hexdigest()}"
        count_attempt(network, limit=settings.SIGN_INS_PER_NETWORK)
        allowance = count_attempt(account, limit=settings.SIGN_INS_PER_ACCOUNT)
        if request is not None:
            request.allowance = allowance  # type: ignore[attr-defined]
        # A password that is too long is checked like any wrong one, cut short, to take the same time.
        is_checkable = len(password) <= MAX_PASSWORD_LENGTH
        user = super().authenticate(request, username, password if is_checkable else "", **kwargs)
        if user is None or not is_checkable:
            _record_failure(username)
            return None
        SignInCounter.objects.take_back([network, account])
        audit.record("user.signed_in", user, by=user)
        return user

    def get_user(self, user_id: Any) -> User | None:
        """Whose session it is, with the second factor, for which each page asks."""
        user = User.objects.select_related("second_factor").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def record_sign_out(request: HttpRequest) -> None:
    """Note that whoever asks leaves; nothing for somebody who is not signed in."""
    if isinstance(request.user, User):
        audit.record("user.signed_out", request.user)


def _record_failure(username: str) -> None:
    """Note a failure, of no account where there is none: what was typed may be a password.

    The same is done for both, so that the time that it takes does not tell which accounts there are.
    """
    user = User.objects.filter(email__iexact=username.replace("\0", "").strip()).first()
    audit.record("user.sign_in_failed", user or User())


def count_attempt(subject: str, *, limit: int) -> Allowance:
    """Count one more attempt of `subject` in this quarter of an hour. Raises TooManySignIns."""
    now = timezone.now()
    counter = SignInCounter.objects.count_attempt(subject, now=now)
    seconds = max(1, math.ceil((counter.ends_at - now).total_seconds()))
    if counter.attempts > limit:
        minutes = math.ceil(seconds / 60)
        raise TooManySignIns(
            f"There were too many attempts. Try again in {minutes} min.", retry_after=seconds
        )
    return Allowance(limit, limit - counter.attempts, seconds)


def client_network(request: HttpRequest | None) -> str:
    """Where a request comes from: an IPv4 address, or the /64 of an IPv6 address, which one customer has."""
    address = client_address(request)
    if address is None:
        return "network:none"
    if isinstance(address, ipaddress.IPv6Address):
        return f"network:{ipaddress.ip_network((int(address), IPV6_NETWORK_BITS), strict=False)}"
    return f"network:{address}"


class SignInForm(AuthenticationForm):
    """Shows a limit as what it is, not as a wrong password."""

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except TooMany as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from refusal


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same for operators."""
