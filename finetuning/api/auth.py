"""Signing in to the API."""

from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finetuning.api import tokens
from finetuning.api.operations import ALLOWANCE
from finetuning.api.serializers import ModelSerializer, Serializer
from finetuning.errors import Conflict, NotFound
from finetuning.models import Organization, Role, User

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


class SignInSerializer(Serializer):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})


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


@extend_schema(tags=["auth"], auth=[], request=SignInSerializer, responses=TokenPairSerializer)
class TokenView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Sign in",
        parameters=ALLOWANCE,
        examples=[
            OpenApiExample(
                "Sign-in", value={"email": "owner@example.com", "password": "..."}, request_only=True
            ),
            PAIR,
        ],
    )
    def post(self, request: Request) -> Response:
        """A token pair for the oldest of the user's organizations."""
        given = read_body(SignInSerializer, request)
        user = authenticate(request._request, username=given["email"], password=given["password"])
        if not isinstance(user, User):
            raise tokens.SignInRefused
        membership = user.memberships.select_related("organization").order_by("created_at", "id").first()
        if membership is None:
            raise NoOrganization("You belong to no organization yet. Ask an administrator to add you.")
        return Response(tokens.issue_tokens(user, membership.organization))


@extend_schema(tags=["auth"], auth=[], request=RefreshSerializer, responses=TokenPairSerializer)
class TokenRefreshView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(summary="Renew a token pair", examples=[REFRESH, PAIR])
    def post(self, request: Request) -> Response:
        """A new pair; the refresh token that was sent is used up."""
        return Response(tokens.rotate_tokens(read_body(RefreshSerializer, request)["refresh"]))


@extend_schema(tags=["auth"], auth=[], request=RefreshSerializer, responses={204: None})
class TokenRevokeView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(summary="Revoke a refresh token", examples=[REFRESH])
    def post(self, request: Request) -> Response:
        """Sign out: the refresh token becomes useless, access tokens run out within minutes."""
        tokens.revoke_tokens(read_body(RefreshSerializer, request)["refresh"])
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

    @extend_schema(
        summary="Act in another organization",
        examples=[
            OpenApiExample("Organization", value={"organizationId": ORGANIZATION["id"]}, request_only=True),
            PAIR,
        ],
    )
    def post(self, request: Request) -> Response:
        """A token pair for another organization of the same user."""
        organization_id = read_body(SwitchOrganizationSerializer, request)["organization_id"]
        memberships = request.user.memberships.select_related("organization")  # type: ignore[union-attr]
        membership = memberships.filter(organization_id=organization_id).first()
        if membership is None:
            raise UnknownOrganization("There is no such organization.", pointer="/organizationId")
        return Response(tokens.issue_tokens(request.user, membership.organization))  # type: ignore[arg-type]
