"""Who asks. Sign-in, member and user are looked up on every request, so that their end acts at once."""

from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from finetuning.api.tokens import AccessToken, find_family, read_token
from finetuning.models import User
from finetuning.tenancy import set_membership

NOT_A_MEMBER = "You are not a member of this organization."
NOT_VALID = "The access token is not valid, or has expired. Renew the pair, or sign in again."
ENDED = "This sign-in has ended. Sign in again."


class OrganizationJWTAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`; the token names the organization that is acted in."""

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        header = self.get_header(request)
        encoded = self.get_raw_token(header) if header else None
        if encoded is None:
            return None
        token = self.get_validated_token(encoded)
        family = find_family(token)
        if family is None:
            raise AuthenticationFailed(ENDED, code="token_revoked")
        set_membership(request._request, family.membership)
        return family.membership.user, token

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        try:
            return read_token(AccessToken, raw_token)
        except TokenError as error:
            raise InvalidToken(NOT_VALID) from error


class OrganizationSessionAuthentication(SessionAuthentication):
    """The sign-in of the web pages, for the browsable API; OrganizationMiddleware chose the organization."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        authenticated = super().authenticate(request)
        if authenticated is not None and request._request.membership is None:
            raise AuthenticationFailed(NOT_A_MEMBER, code="not_a_member")
        return authenticated
