"""Token pairs: a short access token for one organization, and a refresh token that is good once.

Each pair belongs to a TokenFamily, which is one sign-in. Both tokens carry its id and live no longer than it,
which is 30 days at most.
"""

import logging
from datetime import datetime
from typing import TypedDict, TypeVar
from uuid import UUID

import rest_framework_simplejwt.tokens as simplejwt
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.utils import datetime_from_epoch, datetime_to_epoch, get_md5_hash_password

from finetuning import audit
from finetuning.api.token_signing import KEY_RING
from finetuning.metrics import refresh_token_reuses
from finetuning.models import Membership, TokenFamily, User
from finetuning.models.tokens import LONGEST_SIGN_IN
from finetuning.organizations.services import end_sign_in

logger = logging.getLogger(__name__)

FAMILY_CLAIM = "family_id"
ORGANIZATION_CLAIM = "organization_id"


class AccessToken(simplejwt.AccessToken):
    _token_backend = KEY_RING


class RefreshToken(simplejwt.RefreshToken):
    _token_backend = KEY_RING
    access_token_class = AccessToken


class SignInRefused(APIException):
    """401, with one answer for a wrong password, an unknown e-mail and a deactivated user."""

    status_code = 401
    default_code = "wrong_credentials"
    default_detail = "The e-mail or the password is wrong."


class RefreshRefused(APIException):
    status_code = 401
    default_code = "refresh_token_invalid"
    default_detail = "The refresh token is not valid, or was used before. Sign in again."


class TokenPair(TypedDict):
    access: str
    refresh: str


T = TypeVar("T", AccessToken, RefreshToken)


def read_token(kind: type[T], encoded: str | bytes) -> T:
    """The token, if it is of that kind and its signature and times are right. Raises TokenError."""
    try:
        return kind(encoded)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError) as error:
        # A time or an id of a type or size that the package does not expect.
        raise TokenError("The token is not valid.") from error


def find_family(token: AccessToken | RefreshToken) -> TokenFamily | None:
    """The living sign-in that the token came of, with its membership, user and organization: one query.

    None when it has ended, when the user was deactivated or has another password, or when there is none.
    """
    family_id = _uuid(token, FAMILY_CLAIM)
    if family_id is None:
        return None
    families = TokenFamily.objects.living(timezone.now()).select_related(
        "membership__user", "membership__organization"
    )
    family = families.filter(
        pk=family_id, membership__user__is_active=True, membership__organization__deleted_at=None
    ).first()
    return family if family and _claims_of(family.membership).items() <= token.payload.items() else None


def issue_tokens(membership: Membership, *, continuing: AccessToken | None = None) -> TokenPair:
    """Sign the user in to the organization: the first pair of a new family.

    It lives no longer than the sign-in that it is `continuing`. Raises SignInRefused when the membership was
    deleted a moment ago.
    """
    before = find_family(continuing) if continuing else None
    signed_in_at = before.signed_in_at if before else timezone.now()
    refresh = _refresh_token(membership, signed_in_at=signed_in_at)
    try:
        with transaction.atomic():
            family = membership.token_families.create(
                jti=UUID(refresh["jti"]),
                expires_at=datetime_from_epoch(refresh["exp"]),
                signed_in_at=signed_in_at,
            )
            audit.record("tokens.issued", membership, by=membership.user, details={"sign_in": family.pk})
    except IntegrityError as error:
        raise SignInRefused from error
    membership.user.record_sign_in(timezone.now())
    return _pair(refresh, family)


def rotate_tokens(encoded: str) -> TokenPair:
    """The next pair for a refresh token, which is used up by that.

    Raises RefreshRefused, also for all but one of several requests with the same token. To use a token twice
    ends the family, what the first use got included: one of the two had stolen it, and nobody knows which.
    """
    used = _read_refresh(encoded)
    family, jti = find_family(used), _uuid(used, "jti")
    if family is None or jti is None:
        raise RefreshRefused
    refresh = _refresh_token(family.membership, signed_in_at=family.signed_in_at)
    now = timezone.now()
    if not family.rotate(
        used=jti, successor=UUID(refresh["jti"]), expires_at=datetime_from_epoch(refresh["exp"]), now=now
    ):
        _end_reused(family)
        raise RefreshRefused
    return _pair(refresh, family)


def revoke_tokens(encoded: str) -> None:
    """End the sign-in that the refresh token came of, if it has not ended. Raises RefreshRefused."""
    family_id = _uuid(_read_refresh(encoded), FAMILY_CLAIM)
    if family_id is None:
        raise RefreshRefused
    family = TokenFamily.objects.filter(pk=family_id).select_related("membership__user").first()
    if family is not None:
        end_sign_in(family, by=family.membership.user)


@transaction.atomic
def revoke_all_tokens(user: User) -> None:
    """End all sign-ins of the user to the API, in every organization."""
    user.revoke_tokens(timezone.now())
    audit.record("tokens.all_revoked", user, by=user)


def _read_refresh(encoded: str) -> RefreshToken:
    try:
        return read_token(RefreshToken, encoded)
    except TokenError as error:
        raise RefreshRefused from error


def _claims_of(membership: Membership) -> dict[str, str]:
    """What both tokens of a pair say of whom they are for; a new password changes it."""
    return {
        "user_id": str(membership.user_id),
        ORGANIZATION_CLAIM: str(membership.organization_id),
        "hash_password": get_md5_hash_password(membership.user.password),
    }


def _refresh_token(membership: Membership, *, signed_in_at: datetime) -> RefreshToken:
    refresh = RefreshToken()
    refresh["exp"] = min(refresh["exp"], datetime_to_epoch(signed_in_at + LONGEST_SIGN_IN))
    refresh.payload.update(_claims_of(membership))
    return refresh


def _pair(refresh: RefreshToken, family: TokenFamily) -> TokenPair:
    refresh[FAMILY_CLAIM] = str(family.pk)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


@transaction.atomic
def _end_reused(family: TokenFamily) -> None:
    if TokenFamily.objects.filter(pk=family.pk).revoke(timezone.now()):
        refresh_token_reuses.inc()
        audit.record("tokens.reused", family.membership, details={"sign_in": family.pk})
        logger.warning(
            "a refresh token was used twice: sign-in %s of user %s has ended",
            family.pk,
            family.membership.user_id,
        )


def _uuid(token: AccessToken | RefreshToken, claim: str) -> UUID | None:
    """The UUID in that claim of the token; None when there is none."""
    try:
        return UUID(token[claim])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
