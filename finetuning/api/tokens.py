"""Token pairs: a short access token for one organization, and a refresh token that is good once."""

from typing import TypedDict

from django.contrib.auth.models import update_last_login
from rest_framework.exceptions import APIException
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from finetuning.api.authentication import ORGANIZATION_CLAIM, claimed_id
from finetuning.models import Membership, Organization, User


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


def issue_tokens(user: User, organization: Organization) -> TokenPair:
    """A new pair for `user` in `organization`; that they belong together is the caller's business."""
    refresh = RefreshToken.for_user(user)
    refresh[ORGANIZATION_CLAIM] = str(organization.pk)
    update_last_login(None, user)  # type: ignore[arg-type]
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def rotate_tokens(encoded: str) -> TokenPair:
    """A new pair for a refresh token, which is used up by that.

    Raises RefreshRefused, also when the user is gone, deactivated, no member any more, or has another
    password, and for all but one of several requests with the same token.
    """
    refresh = _read(encoded)
    membership = _membership(refresh)
    if membership is None:
        raise RefreshRefused
    _, is_first_use = refresh.blacklist()  # type: ignore[misc]
    if not is_first_use:
        raise RefreshRefused
    return issue_tokens(membership.user, membership.organization)


def revoke_tokens(encoded: str) -> None:
    """Make the refresh token useless; that it is so already is no error. Raises RefreshRefused."""
    _read(encoded).blacklist()


def _read(encoded: str) -> RefreshToken:
    try:
        return RefreshToken(encoded)  # type: ignore[arg-type]
    except (TokenError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise RefreshRefused from error


def _membership(refresh: RefreshToken) -> Membership | None:
    """The membership that the token stands for, if it still counts."""
    user_id, organization_id = claimed_id(refresh, "user_id"), claimed_id(refresh, ORGANIZATION_CLAIM)
    if user_id is None or organization_id is None:
        return None
    memberships = Membership.objects.select_related("user", "organization")
    membership = memberships.filter(
        user_id=user_id, user__is_active=True, organization_id=organization_id
    ).first()
    if membership and refresh.get("hash_password") == get_md5_hash_password(membership.user.password):
        return membership
    return None
