"""Who asks. Membership and `is_active` are looked up on every request, so a removal acts at once."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import Token

from finetuning.models import User
from finetuning.tenancy import set_organization

ORGANIZATION_CLAIM = "organization_id"
NOT_A_MEMBER = "You are not a member of this organization."


class OrganizationJWTAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`; the token names the organization that is acted in."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        authenticated = super().authenticate(request)
        if authenticated is None:
            return None
        user, token = authenticated
        organization_id = claimed_id(token, ORGANIZATION_CLAIM)
        if organization_id is None or set_organization(request._request, user, organization_id) is None:
            raise AuthenticationFailed(NOT_A_MEMBER, code="not_a_member")
        return user, token

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return super().get_validated_token(raw_token)
        except (ValueError, TypeError, OverflowError) as error:
            # A claim of a type or size that the package does not expect.
            raise InvalidToken({"detail": "The token is not valid."}) from error

    def get_user(self, validated_token: Token) -> Any:
        try:
            return super().get_user(validated_token)
        except (ValueError, TypeError, ValidationError) as error:
            raise InvalidToken({"detail": "The token is not valid."}) from error


class OrganizationSessionAuthentication(SessionAuthentication):
    """The sign-in of the web pages, for the browsable API; OrganizationMiddleware chose the organization."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        authenticated = super().authenticate(request)
        if authenticated is not None and request._request.membership is None:
            raise AuthenticationFailed(NOT_A_MEMBER, code="not_a_member")
        return authenticated


def claimed_id(token: Token, claim: str) -> str | None:
    """The UUID in that claim of the token; None when there is none."""
    try:
        return str(UUID(token[claim]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
