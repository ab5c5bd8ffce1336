"""Signing in to the API."""

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finetuning.api import tokens
from finetuning.api.operations import ALLOWANCE
from finetuning.api.serializers import ModelSerializer, Serializer
from finetuning.errors import Conflict, NotFound
from finetuning.models import Organization, Role, SecondFactor, User
from finetuning.second_factor import services as second_factor

TOKEN_LENGTH = 4096
PAIR = OpenApiExample(
    "Pair", value={"access": "eyJhbGciOi...", "refresh": "eyJhbGciOi..."}, response_only=True
)
REFRESH = OpenApiExample("Refresh token", value={"refresh": "eyJhbGciOi..."}, request_only=True)
ORGANIZATION = {"id": "0199f3a2-5c1e-7d40-8a6b-2f9d1c7e4b03", "name": "My organization"}
ME = {
    "id": "0199f3a2-5c1b-7c22-9e01-6a3f5d2b8c90",
    "email": "owner@example.com",
    "name": "First Owner",
    "role": "owner",
    "organization": ORGANIZATION,
    "organizations": [ORGANIZATION],
}


class NoOrganization(Conflict):
    code = "no_organization"


class UnknownOrganization(NotFound):
    code = "not_found"


class CodeRequired(APIException):
    status_code = 401
    default_code = "second_factor_required"
    default_detail = "Send `code`, too: the six digits that your app shows now."


class CodeRefused(APIException):
    status_code = 401
    default_code = "wrong_code"
    default_detail = "This code is wrong, or was used already. Wait for the next one."


class NoSecondFactor(Conflict):
    code = "no_second_factor"


def code_field() -> serializers.RegexField:
    return serializers.RegexField(
        r"^[0-9]{3} ?[0-9]{3}$", required=False, help_text="Of the second factor, where there is one."
    )


class SignInSerializer(Serializer):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})
    code = code_field()


class RefreshSerializer(Serializer):
    refresh = serializers.CharField(max_length=TOKEN_LENGTH)


class TokenPairSerializer(Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()


class SwitchOrganizationSerializer(Serializer):
    organization_id = serializers.UUIDField()


class OrganizationSerializer(ModelSerializer):
    class Meta:
        model = Organization
        fields = ("id", "name")
        read_only_fields = fields


class MeSerializer(Serializer):
    """A membership, told from the user's side."""

    id = serializers.UUIDField(source="user.id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.display_name")
    role = serializers.ChoiceField(choices=Role.choices)
    organization = OrganizationSerializer()
    organizations = OrganizationSerializer(many=True, source="user.organizations")


def read_body(serializer_class: type[Serializer], request: Request) -> dict[str, Any]:
    """The checked body of `request`. Raises ValidationError."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def sign_in(request: Request, *, email: str, password: str, code: str | None) -> User:
    """Who has this password and, where one was set up, this second factor.

    Raises SignInRefused, CodeRequired, CodeRefused, NoSecondFactor where everybody needs one, TooManySignIns.
    """
    user = authenticate(request._request, username=email, password=password)
    if not isinstance(user, User):
        raise tokens.SignInRefused
    if user.confirmed_factor is None:
        check_needs_no_factor(request)
    elif code is None:
        raise CodeRequired
    else:
        _show_code(user.confirmed_factor, code)
    return user


def check_needs_no_factor(request: Request) -> None:
    """Raise NoSecondFactor where everybody needs one, for somebody who has none."""
    if settings.MEMBERS_NEED_SECOND_FACTOR:
        page = request.build_absolute_uri(reverse("second-factor"))
        raise NoSecondFactor(f"Everybody here needs a second factor. Set up yours in a browser, at {page}.")


def _show_code(factor: SecondFactor, code: str) -> None:
    try:
        second_factor.use_code(factor, code=code.replace(" ", ""))
    except second_factor.WrongCode as refusal:
        raise CodeRefused from refusal


@extend_schema(tags=["auth"], auth=[], request=SignInSerializer, responses=TokenPairSerializer)
class TokenView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    refusals = {"post": (401, 409, 429)}

    @extend_schema(
        summary="Sign in",
        parameters=ALLOWANCE,
        examples=[
            OpenApiExample(
                "Sign-in",
                value={"email": "owner@example.com", "password": "..."},  # nosec B105 - an example
                request_only=True,
            ),
            PAIR,
        ],
    )
    def post(self, request: Request) -> Response:
        """A token pair for the oldest of the user's organizations: the start of a sign-in.

        Send `access` with every request as `Authorization: Bearer ...`. It is good for ten minutes, in one
        organization. `refresh` is good for seven days and gets the next pair, so a program that renews at
        least once a week need not sign in again for 30 days. Keep it as you would keep a password.

        The sign-in ends, and both tokens answer 401 from the next request on, after 30 days, when it is
        revoked, when a refresh token is used twice, when the member's role changes or the member is removed,
        when the user's password or second factor changes, and when the user is deactivated or deleted. Then
        sign in again.

        Who has a second factor sends `code` too, what the app shows now: without it the answer is 401
        `second_factor_required`, with a wrong one or one that was used 401 `wrong_code`. Renewing takes none.
        Where everybody needs a second factor, 409 `no_second_factor` says on which page it is set up.
        """
        given = read_body(SignInSerializer, request)
        user = sign_in(request, email=given["email"], password=given["password"], code=given.get("code"))
        membership = user.memberships.select_related("organization").order_by("created_at", "id").first()
        if membership is None:
            raise NoOrganization("You belong to no organization yet. Ask an administrator to add you.")
        return Response(tokens.issue_tokens(membership))


@extend_schema(tags=["auth"], auth=[], request=RefreshSerializer, responses=TokenPairSerializer)
class TokenRefreshView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    refusals = {"post": (401,)}

    @extend_schema(summary="Renew a token pair", examples=[REFRESH, PAIR])
    def post(self, request: Request) -> Response:
        """A new pair of the same sign-in; the refresh token that was sent is used up.

        Use each refresh token once. A second use, at the same time or later, answers 401
        `refresh_token_invalid` **and ends the sign-in**: the pair that the first use got is refused from then
        on, its access token too. One of the two senders may have stolen the token, and only signing in again
        tells which. So let one thread or process renew for all that share a sign-in, or give each its own.
        When the answer to a renewal got lost on the way, sign in again.

        A renewal ends no access token: the one before stays good until it expires.
        """
        return Response(tokens.rotate_tokens(read_body(RefreshSerializer, request)["refresh"]))


@extend_schema(tags=["auth"], auth=[], request=RefreshSerializer, responses={204: None})
class TokenRevokeView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    refusals = {"post": (401,)}

    @extend_schema(summary="Sign out", examples=[REFRESH])
    def post(self, request: Request) -> Response:
        """End the sign-in that the refresh token came of: all its refresh and access tokens, at once.

        A refresh token that was used before does it too, and to end what has ended answers 204 again. Other
        sign-ins of the user, and the web pages, stay signed in.
        """
        tokens.revoke_tokens(read_body(RefreshSerializer, request)["refresh"])
        return Response(status=204)


@extend_schema(tags=["auth"], request=None, responses={204: None})
class TokenRevokeAllView(APIView):
    # A sign-in is the user's own, so a viewer may end theirs.
    permission_classes = (IsAuthenticated,)

    @extend_schema(summary="Sign out everywhere")
    def post(self, request: Request) -> Response:
        """End all your sign-ins to the API, in every organization: the one that asks, too.

        For when a token fell into other hands. API keys belong to an organization and go on. The web pages
        stay signed in; a change of the password signs them out.
        """
        tokens.revoke_all_tokens(request.user)
        return Response(status=204)


@extend_schema(tags=["auth"])
class MeView(APIView):
    @extend_schema(
        summary="Who am I",
        responses=MeSerializer,
        examples=[OpenApiExample("Me", value=ME, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """The signed-in user, the organization that is acted in, and all organizations of the user."""
        return Response(MeSerializer(request._request.membership).data)  # type: ignore[attr-defined]


@extend_schema(tags=["auth"], request=SwitchOrganizationSerializer, responses=TokenPairSerializer)
class SwitchOrganizationView(APIView):
    # Switching changes no row, so a viewer may.
    permission_classes = (IsAuthenticated,)
    refusals = {"post": (404,)}

    @extend_schema(
        summary="Act in another organization",
        examples=[
            OpenApiExample("Organization", value={"organizationId": ORGANIZATION["id"]}, request_only=True),
            PAIR,
        ],
    )
    def post(self, request: Request) -> Response:
        """A token pair for another organization of the same user: a sign-in of its own.

        It ends 30 days after the password was given, as the one that asked does. The pair that asked stays
        good. Revoke it if you need it no more.
        """
        organization_id = read_body(SwitchOrganizationSerializer, request)["organization_id"]
        memberships = request.user.memberships.select_related("organization")
        membership = memberships.filter(organization_id=organization_id).first()
        if membership is None:
            raise UnknownOrganization("There is no such organization.", pointer="/organizationId")
        return Response(tokens.issue_tokens(membership, continuing=request.auth))
