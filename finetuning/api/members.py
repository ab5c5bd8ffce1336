"""Members, invitations, and accepting one."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from finetuning.api import tokens
from finetuning.api.auth import (
    PAIR,
    TokenPairSerializer,
    check_needs_no_factor,
    code_field,
    read_body,
    sign_in,
)
from finetuning.api.examples import CREATED_AT, PERSON, example
from finetuning.api.serializers import ModelSerializer, PersonSerializer, Serializer
from finetuning.api.views import OrganizationViewSet
from finetuning.members import invitations, services
from finetuning.models import Invitation, Membership, Role, User

MEMBER = {**PERSON, "role": "admin", "createdAt": CREATED_AT}
INVITATION = {
    "id": "0199f3d0-6b1a-7c55-9d0e-3a7f5c1b8e42",
    "email": "ada@example.com",
    "role": "member",
    "expired": False,
    "invitedBy": PERSON,
    "emailedAt": None,
    "createdAt": CREATED_AT,
    "expiresAt": "2026-12-01T09:30:00Z",
}
LINK_END = "kB3vX0nR7yQ1tW5zL9cF2hJ6mP4sD8gA0uE3iO7xV1w"
ACCEPT = OpenApiExample(
    "New here",
    value={"token": LINK_END, "password": "at least eight characters", "name": "Ada Lovelace"},  # nosec B105 - an example
    request_only=True,
)


@example(MEMBER)
class MemberSerializer(ModelSerializer):
    id = serializers.UUIDField(source="user.id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.display_name")
    role = serializers.ChoiceField(choices=Role.choices)

    class Meta:
        model = Membership
        fields = ("id", "email", "name", "role", "created_at")
        read_only_fields = fields


@example({"role": "admin"})
class RoleSerializer(Serializer):
    role = serializers.ChoiceField(choices=Role.choices)


@extend_schema(tags=["members"])
@extend_schema_view(
    list=extend_schema(summary="List members"), retrieve=extend_schema(summary="Show a member")
)
class MemberViewSet(OrganizationViewSet):
    """A member is known by the id of the user."""

    role_to_change = Role.ADMIN
    # Everybody may leave; whom else the caller may remove is the service's business.
    action_roles = {"destroy": Role.VIEWER}
    lookup_field = "user_id"
    lookup_url_kwarg = "pk"
    serializer_class = MemberSerializer
    input_serializers = {"partial_update": RoleSerializer}
    refusals = {"partial_update": (409,), "destroy": (409,)}

    def get_queryset(self) -> QuerySet[Membership]:
        return self.organization.memberships.select_related("user", "organization").order_by(
            "created_at", "id"
        )

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), MemberSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(MemberSerializer(self.get_object()).data)

    @extend_schema(summary="Change a member's role", request=RoleSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Takes the role admin, and acts at once. Only owners make and unmake owners; one owner always stays:
        else 409 `last_owner`."""
        member, given = self.get_object(), self.valid_input()
        if given:
            services.change_member_role(member, by=membership_of(request), role=Role(given["role"]))
        return Response(MemberSerializer(member).data)

    @extend_schema(summary="Remove a member", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role admin, for an owner the role owner; with your own id you leave. What the person made
        stays. The last owner stays, too: 409 `last_owner`."""
        services.remove_member(self.get_object(), by=membership_of(request))
        return Response(status=204)


def membership_of(request: Request) -> Membership:
    membership: Membership = request._request.membership  # type: ignore[attr-defined]
    return membership


@example({"email": "ada@example.com", "role": "member"})
class InviteSerializer(Serializer):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=Role.choices)


@example(INVITATION)
class InvitationSerializer(ModelSerializer):
    role = serializers.ChoiceField(choices=Role.choices)
    expired = serializers.BooleanField(source="is_expired")
    invited_by = PersonSerializer(source="created_by", allow_null=True)

    class Meta:
        model = Invitation
        fields = ("id", "email", "role", "expired", "invited_by", "emailed_at", "created_at", "expires_at")
        read_only_fields = fields


@example(INVITATION | {"token": LINK_END, "url": f"https://attune.example.com/invitations/{LINK_END}"})
class IssuedInvitationSerializer(InvitationSerializer):
    """The only answer that holds the token: pass the link on to the person who is invited."""

    token = serializers.CharField()
    url = serializers.CharField()

    class Meta(InvitationSerializer.Meta):
        fields = (*InvitationSerializer.Meta.fields, "token", "url")
        read_only_fields = fields


@extend_schema(tags=["members"])
@extend_schema_view(
    list=extend_schema(summary="List open invitations"), retrieve=extend_schema(summary="Show an invitation")
)
class InvitationViewSet(OrganizationViewSet):
    role_to_change = Role.ADMIN
    serializer_class = InvitationSerializer
    input_serializers = {"create": InviteSerializer}

    def get_queryset(self) -> QuerySet[Invitation]:
        found = self.organization.invitations.open().select_related("created_by")
        return found.order_by("-created_at", "-id")

    def list(self, request: Request) -> Response:
        """Neither accepted nor revoked; the expired ones are among them."""
        return self.page(self.get_queryset(), InvitationSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(InvitationSerializer(self.get_object()).data)

    @extend_schema(
        summary="Invite somebody", request=InviteSerializer, responses={201: IssuedInvitationSerializer}
    )
    def create(self, request: Request) -> Response:
        """Takes the role admin. The answer holds the link, which is never shown again; where e-mail is set up
        it is sent as well, and `emailedAt` says so afterwards. Good for 7 days, once, and for that e-mail
        only. An open invitation for the same e-mail is replaced; a member is refused: 409."""
        given = self.valid_input()
        invitation, link = invitations.invite_member(
            self.organization,
            by=membership_of(request),
            email=given["email"],
            role=Role(given["role"]),
            page=invitations.accept_page(request._request),
        )
        invitation.url, invitation.token = link, link.rsplit("/", 1)[-1]
        body = IssuedInvitationSerializer(invitation).data
        return Response(body, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(summary="Revoke an invitation", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role admin. Its link is good for nothing from now on."""
        invitations.revoke_invitation(self.get_object())
        return Response(status=204)


class AcceptSerializer(Serializer):
    token = serializers.CharField(max_length=200)
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, required=False, style={"input_type": "password"}
    )
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    code = code_field()


@extend_schema(tags=["auth"], request=AcceptSerializer, responses=TokenPairSerializer)
class AcceptInvitationView(APIView):
    permission_classes = (AllowAny,)
    refusals = {"post": (404, 409)}

    @extend_schema(summary="Accept an invitation", examples=[ACCEPT, PAIR])
    def post(self, request: Request) -> Response:
        """A token pair for the organization that invited.

        With an access token of the invited person, `token` is enough. Without one, `password` is that of the
        person's account, and `code` of their second factor, if they have one: as for signing in. Where the
        invited e-mail has no account yet, it is made with `password` and `name`.
        An invitation that was used, revoked or has expired is 404 `invitation_not_valid`; one for another
        e-mail 403 `invited_somebody_else`.
        """
        given = read_body(AcceptSerializer, request)
        invitation = invitations.find_invitation(given["token"])
        if isinstance(request.user, User):
            membership = invitations.accept_invitation(invitation, user=request.user)
        else:
            membership = _accept_with_password(request, invitation, given)
        return Response(tokens.issue_tokens(membership, continuing=request.auth))


def _accept_with_password(request: Request, invitation: Invitation, given: dict[str, Any]) -> Membership:
    password = given.get("password")
    if not password:
        detail = ErrorDetail("Give a password, or send an access token.", code="required")
        raise serializers.ValidationError({"password": [detail]})
    if invitations.find_invited_user(invitation) is None:
        check_needs_no_factor(request)
        return invitations.accept_as_new_user(invitation, password=password, name=given.get("name", ""))
    user = sign_in(request, email=invitation.email, password=password, code=given.get("code"))
    return invitations.accept_invitation(invitation, user=user)


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
