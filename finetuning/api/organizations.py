"""The organization itself, and its workspaces."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from finetuning.api.examples import CREATED_AT, ORGANIZATION_ID, UPDATED_AT, WORKSPACE_ID, example
from finetuning.api.serializers import ModelSerializer, QuerySerializer, Serializer
from finetuning.api.views import OrganizationViewSet
from finetuning.models import Organization, Role, Workspace
from finetuning.organizations import services


@example({"name": "Acme"})
class NameSerializer(Serializer):
    name = serializers.CharField(max_length=200)


@example({"name": "Acme", "monthlyCapUsd": 200.0})
class OrganizationChangeSerializer(Serializer):
    name = serializers.CharField(max_length=200)
    monthly_cap_usd = serializers.DecimalField(
        max_digits=12,
        decimal_places=2,
        min_value=0,
        allow_null=True,
        help_text="What calls through the gateway may cost in a month (UTC). null: no cap.",
    )


class ConfirmationSerializer(QuerySerializer):
    name = serializers.CharField(help_text="The organization's name, to confirm.", trim_whitespace=False)


@example(
    {
        "id": ORGANIZATION_ID,
        "name": "Acme",
        "monthlyCapUsd": None,
        "createdAt": CREATED_AT,
        "updatedAt": UPDATED_AT,
    }
)
class OrganizationDetailSerializer(ModelSerializer):
    class Meta:
        model = Organization
        fields = ("id", "name", "monthly_cap_usd", "created_at", "updated_at")
        read_only_fields = fields


@extend_schema(tags=["organization"])
@extend_schema_view(retrieve=extend_schema(summary="Show the organization"))
class OrganizationDetailViewSet(OrganizationViewSet):
    """The one that the access token is for."""

    role_to_change = Role.ADMIN
    action_roles = {"destroy": Role.OWNER}
    serializer_class = OrganizationDetailSerializer
    input_serializers = {"partial_update": OrganizationChangeSerializer}

    def get_object(self) -> Organization:
        return self.organization

    def lock_object(self) -> None:
        self.organization.lock()
        self.organization.refresh_from_db()

    def retrieve(self, request: Request) -> Response:
        return Response(OrganizationDetailSerializer(self.organization).data)

    @extend_schema(
        summary="Rename the organization, or cap its spending",
        request=OrganizationChangeSerializer,
        responses=OrganizationDetailSerializer,
    )
    def partial_update(self, request: Request) -> Response:
        """Takes the role admin."""
        services.update_organization(self.organization, **self.valid_input())
        return Response(OrganizationDetailSerializer(self.organization).data)

    @extend_schema(
        summary="Delete the organization", parameters=[ConfirmationSerializer], responses={204: None}
    )
    def destroy(self, request: Request) -> Response:
        """Takes the role owner, and the name of the organization in the query: `?name=Acme`.

        All members lose access at once, jobs that run are asked to cancel, and open invitations are revoked.
        Nothing else is erased: an operator can bring it back.
        """
        name = self.valid_query(ConfirmationSerializer)["name"]
        services.delete_organization(self.organization, by=request.user, name=name)
        return Response(status=204)


@extend_schema(tags=["organization"])
class OrganizationsViewSet(OrganizationViewSet):
    # Nothing of the present organization is changed, so a viewer may.
    permission_classes = (IsAuthenticated,)
    serializer_class = OrganizationDetailSerializer
    input_serializers = {"create": NameSerializer}

    @extend_schema(
        summary="Create an organization",
        request=NameSerializer,
        responses={201: OrganizationDetailSerializer},
    )
    def create(self, request: Request) -> Response:
        """You are its owner, of at most 10. `POST /api/auth/switch-organization` gives tokens for it."""
        organization = services.add_organization(by=request.user, **self.valid_input())
        return Response(OrganizationDetailSerializer(organization).data, status=201)


@example({"id": WORKSPACE_ID, "name": "Support", "createdAt": CREATED_AT})
class WorkspaceSerializer(ModelSerializer):
    class Meta:
        model = Workspace
        fields = ("id", "name", "created_at")
        read_only_fields = fields


@extend_schema(tags=["organization"])
@extend_schema_view(
    list=extend_schema(summary="List workspaces"), retrieve=extend_schema(summary="Show a workspace")
)
class WorkspaceViewSet(OrganizationViewSet):
    role_to_change = Role.ADMIN
    serializer_class = WorkspaceSerializer
    input_serializers = dict.fromkeys(("create", "update", "partial_update"), NameSerializer)
    refusals = dict.fromkeys(("update", "partial_update", "destroy"), (409,))

    def get_queryset(self) -> QuerySet[Workspace]:
        return self.organization.workspaces.select_related("organization").order_by("created_at", "id")

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), WorkspaceSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(WorkspaceSerializer(self.get_object()).data)

    @extend_schema(summary="Add a workspace", request=NameSerializer, responses={201: WorkspaceSerializer})
    def create(self, request: Request) -> Response:
        """Takes the role admin. Two names that differ only in the case of their letters are the same: 409."""
        workspace = services.create_workspace(self.organization, **self.valid_input())
        return Response(WorkspaceSerializer(workspace).data, status=201)

    @extend_schema(summary="Rename a workspace", request=NameSerializer, responses=WorkspaceSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Takes the role admin."""
        workspace, given = self.get_object(), self.valid_input()
        if given:
            workspace = services.rename_workspace(workspace, **given)
        return Response(WorkspaceSerializer(workspace).data)

    @extend_schema(summary="Rename a workspace", request=NameSerializer, responses=WorkspaceSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Takes the role admin."""
        return self.update(request, pk)

    @extend_schema(summary="Delete a workspace", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role admin. Refused while rows are in it, or an API key is limited to it: 409."""
        services.delete_workspace(self.get_object())
        return Response(status=204)


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("organizations", OrganizationsViewSet, basename="organization")
router.register("workspaces", WorkspaceViewSet, basename="workspace")
