"""Operations 19 to 27."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.serializers import represent
from finetuning.api.views import OrganizationViewSet
from finetuning.models import Role
from models_registry import services
from models_registry.api import serializers as shapes
from models_registry.models import FineTunedModel


@extend_schema(tags=["models"])
@extend_schema_view(
    list=extend_schema(summary="List models", parameters=[shapes.ModelFilterSerializer]),
    retrieve=extend_schema(summary="Show a model"),
)
class FineTunedModelViewSet(OrganizationViewSet):
    action_roles = {"destroy": Role.OWNER}
    serializer_class = shapes.FineTunedModelSerializer
    input_serializers = {
        "update": shapes.UpdateModelSerializer,
        "partial_update": shapes.UpdateModelSerializer,
        "deploy": shapes.AgentSerializer,
        "undeploy": shapes.AgentSerializer,
        "usage": shapes.UsageSerializer,
    }
    refusals = dict.fromkeys(("update", "partial_update", "destroy", "deploy", "undeploy", "archive"), (409,))

    def get_queryset(self) -> QuerySet[FineTunedModel]:
        models: QuerySet[FineTunedModel] = self.organization.fine_tuned_models.with_related()
        return models.order_by("-created_at", "-id")

    def list(self, request: Request) -> Response:
        filters = self.valid_query(shapes.ModelFilterSerializer)
        return self.page(self.get_queryset().filter(**filters), shapes.FineTunedModelSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        summary="Change name, description or status",
        request=shapes.UpdateModelSerializer,
        responses=shapes.FineTunedModelSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        return self._answer(services.update_model(self.get_object(), **self.valid_input()))

    @extend_schema(
        summary="Change name, description or status",
        request=shapes.UpdateModelSerializer,
        responses=shapes.FineTunedModelSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(summary="Delete a model", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role owner. Refused while it is deployed."""
        services.delete_model(self.get_object())
        return Response(status=204)

    @extend_schema(
        summary="Count models",
        parameters=[shapes.ModelStatsFilterSerializer],
        responses=shapes.ModelStatsSerializer,
    )
    @action(detail=False, pagination_class=None)
    def stats(self, request: Request) -> Response:
        filters = self.valid_query(shapes.ModelStatsFilterSerializer)
        totals = self.organization.fine_tuned_models.totals(**filters)
        return Response(shapes.ModelStatsSerializer(totals).data)

    @extend_schema(
        summary="Deploy a model", request=shapes.AgentSerializer, responses=shapes.FineTunedModelSerializer
    )
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, pk: str) -> Response:
        return self._answer(services.deploy_model(self.get_object(), by=request.user, **self.valid_input()))

    @extend_schema(
        summary="Undeploy a model", request=shapes.AgentSerializer, responses=shapes.FineTunedModelSerializer
    )
    @action(detail=True, methods=["post"])
    def undeploy(self, request: Request, pk: str) -> Response:
        return self._answer(services.undeploy_model(self.get_object(), by=request.user, **self.valid_input()))

    @extend_schema(summary="Archive a model", request=None, responses=shapes.FineTunedModelSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Refused while it is deployed."""
        return self._answer(services.archive_model(self.get_object()))

    @extend_schema(
        summary="Count usage", request=shapes.UsageSerializer, responses=shapes.FineTunedModelSerializer
    )
    @action(detail=True, methods=["post"])
    def usage(self, request: Request, pk: str) -> Response:
        return self._answer(services.record_usage(self.get_object(), **self.valid_input()))

    def _answer(self, model: FineTunedModel) -> Response:
        return Response(represent(shapes.FineTunedModelSerializer, model))
