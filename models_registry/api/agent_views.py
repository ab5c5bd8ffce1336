"""Agents and API keys: what stands beside the operations of fine-tuning itself."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.views import OrganizationViewSet
from finetuning.models import Role
from models_registry import agents, api_keys
from models_registry.api import agent_serializers as shapes
from models_registry.models import Agent, ApiKey


@extend_schema(tags=["agents"])
@extend_schema_view(
    list=extend_schema(summary="List agents"), retrieve=extend_schema(summary="Show an agent")
)
class AgentViewSet(OrganizationViewSet):
    serializer_class = shapes.AgentSerializer
    input_serializers = {
        "create": shapes.CreateAgentSerializer,
        "update": shapes.UpdateAgentSerializer,
        "partial_update": shapes.UpdateAgentSerializer,
        "split": shapes.SplitSerializer,
    }
    refusals = dict.fromkeys(("update", "partial_update", "split", "roll_back"), (409,))

    def get_queryset(self) -> QuerySet[Agent]:
        found: QuerySet[Agent] = self.organization.agents.with_related()
        return found.order_by("-created_at", "-id")

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), shapes.AgentSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        summary="Create an agent",
        request=shapes.CreateAgentSerializer,
        responses={201: shapes.AgentSerializer},
    )
    def create(self, request: Request) -> Response:
        """It points at nothing until a model is deployed to it."""
        agent = agents.create_agent(self.organization, by=request.user, **self.valid_input())
        return Response(shapes.AgentSerializer(agent).data, status=201)

    @extend_schema(
        summary="Change settings of an agent",
        request=shapes.UpdateAgentSerializer,
        responses=shapes.AgentSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        return self._answer(agents.update_agent(self.get_object(), **self.valid_input()))

    @extend_schema(
        summary="Change settings of an agent",
        request=shapes.UpdateAgentSerializer,
        responses=shapes.AgentSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(
        summary="Split an agent's calls", request=shapes.SplitSerializer, responses=shapes.AgentSerializer
    )
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: str) -> Response:
        """A share of 0, or no second model, ends the split."""
        agent = agents.split_agent(self.get_object(), by=request.user, **self.valid_input())
        return self._answer(agent)

    @extend_schema(summary="Roll an agent back", request=None, responses=shapes.AgentSerializer)
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, pk: str) -> Response:
        """To what it pointed at before. A second call takes the first one back."""
        return self._answer(agents.roll_back_agent(self.get_object(), by=request.user))

    @extend_schema(summary="List an agent's switches", responses=shapes.AgentSwitchSerializer(many=True))
    @action(detail=True)
    def switches(self, request: Request, pk: str) -> Response:
        """Who pointed it at what and when, newest first."""
        switches = self.get_object().switches.order_by("-created_at", "-id")
        return self.page(switches, shapes.AgentSwitchSerializer)

    def _answer(self, agent: Agent) -> Response:
        return Response(shapes.AgentSerializer(agent).data)


@extend_schema(tags=["keys"])
@extend_schema_view(
    list=extend_schema(summary="List API keys"), retrieve=extend_schema(summary="Show an API key")
)
class ApiKeyViewSet(OrganizationViewSet):
    role_to_change = Role.ADMIN
    serializer_class = shapes.ApiKeySerializer
    input_serializers = {"create": shapes.IssueKeySerializer}

    def get_queryset(self) -> QuerySet[ApiKey]:
        found: QuerySet[ApiKey] = self.organization.api_keys.with_scopes()
        return found.order_by("-created_at", "-id")

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), shapes.ApiKeySerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(shapes.ApiKeySerializer(self.get_object()).data)

    @extend_schema(
        summary="Issue an API key",
        request=shapes.IssueKeySerializer,
        responses={201: shapes.IssuedKeySerializer},
    )
    def create(self, request: Request) -> Response:
        """Takes the role admin. The answer holds the key itself, which is stored nowhere: keep it."""
        row, clear = api_keys.issue_key(self.organization, by=request.user, **self.valid_input())
        row.key = clear
        return Response(
            shapes.IssuedKeySerializer(row).data, status=201, headers={"Cache-Control": "no-store"}
        )

    @extend_schema(summary="Revoke an API key", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role admin. It is refused from now on; the row stays for the sake of its usage."""
        api_keys.revoke_key(self.get_object())
        return Response(status=204)
