"""Webhook endpoints and the log of what was sent to them."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from finetuning.addresses import MAX_URL_LENGTH
from finetuning.api.examples import CREATED_AT, JOB_ID, UPDATED_AT, example
from finetuning.api.serializers import ModelSerializer, Serializer
from finetuning.api.views import OrganizationViewSet
from finetuning.models import Role, WebhookDelivery, WebhookEndpoint
from finetuning.webhooks import events, services

EVENT_TYPES = list(events.EVENT_TYPES)
STATUSES = ["pending", "delivered", "failed"]
INPUT = {
    "url": "https://hooks.example.com/attune",
    "description": "Tells the release bot",
    "eventTypes": ["job.failed", "job.succeeded"],
    "enabled": True,
}
ENDPOINT = {
    "id": "0199f3c1-0d2e-7b19-8f4a-6a1e5c7d9b20",
    **INPUT,
    "failing": False,
    "failingSince": None,
    "previousSecretUntil": None,
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
}
DELIVERY = {
    "id": "0199f3c4-51aa-7e02-b6c3-1f0d8e2a7c95",
    "endpointId": ENDPOINT["id"],
    "eventType": "job.succeeded",
    "status": "delivered",
    "attempts": 1,
    "answerStatus": 204,
    "answerText": "",
    "error": "",
    "durationMs": 84,
    "nextAttemptAt": None,
    "deliveredAt": UPDATED_AT,
    "createdAt": CREATED_AT,
}
BODY = f'{{"type": "job.succeeded", "timestamp": "{CREATED_AT}", "data": {{"id": "{JOB_ID}"}}}}'


@example(INPUT)
class WebhookEndpointInputSerializer(Serializer):
    url = serializers.CharField(max_length=MAX_URL_LENGTH)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENT_TYPES), min_length=1, max_length=20
    )
    enabled = serializers.BooleanField(source="is_enabled", required=False)


@example(ENDPOINT)
class WebhookEndpointSerializer(ModelSerializer):
    event_types = serializers.ListField(child=serializers.ChoiceField(choices=EVENT_TYPES))
    enabled = serializers.BooleanField(source="is_enabled")
    failing = serializers.BooleanField(source="is_failing")

    class Meta:
        model = WebhookEndpoint
        fields = (
            *("id", "url", "description", "event_types", "enabled", "failing", "failing_since"),
            *("previous_secret_until", "created_at", "updated_at"),
        )
        read_only_fields = fields


@example(ENDPOINT | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAbCdEfGhIjk="})  # nosec B105 - an example
class WebhookEndpointWithSecretSerializer(WebhookEndpointSerializer):
    """The only answer that holds the secret: keep it."""

    secret = serializers.CharField()

    class Meta(WebhookEndpointSerializer.Meta):
        fields = (*WebhookEndpointSerializer.Meta.fields, "secret")
        read_only_fields = fields


@example(DELIVERY)
class WebhookDeliverySerializer(ModelSerializer):
    status = serializers.ChoiceField(choices=STATUSES)

    class Meta:
        model = WebhookDelivery
        fields = (
            *("id", "endpoint_id", "event_type", "status", "attempts", "answer_status", "answer_text"),
            *("error", "duration_ms", "next_attempt_at", "delivered_at", "created_at"),
        )
        read_only_fields = fields


@example(DELIVERY | {"body": BODY})
class WebhookDeliveryWithBodySerializer(WebhookDeliverySerializer):
    """`body` is the text that is signed and sent, to the byte."""

    class Meta(WebhookDeliverySerializer.Meta):
        fields = (*WebhookDeliverySerializer.Meta.fields, "body")
        read_only_fields = fields


@extend_schema(tags=["webhooks"])
@extend_schema_view(
    list=extend_schema(summary="List webhook endpoints"),
    retrieve=extend_schema(summary="Show a webhook endpoint"),
)
class WebhookEndpointViewSet(OrganizationViewSet):
    role_to_change = Role.ADMIN
    serializer_class = WebhookEndpointSerializer
    input_serializers = {
        "create": WebhookEndpointInputSerializer,
        "update": WebhookEndpointInputSerializer,
        "partial_update": WebhookEndpointInputSerializer,
    }
    refusals = {"test": (409,), "resend": (409,)}

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return self.organization.webhook_endpoints.order_by("-created_at", "-id")

    def prepare(self) -> AbstractContextManager[Any]:
        if self.action == "destroy":
            return super().prepare()
        if self.action != "create":
            self.get_object()
        return nullcontext(services.checked_columns(**self.valid_input()))

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), WebhookEndpointSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(WebhookEndpointSerializer(self.get_object()).data)

    @extend_schema(
        summary="Add a webhook endpoint",
        request=WebhookEndpointInputSerializer,
        responses={201: WebhookEndpointWithSecretSerializer},
    )
    def create(self, request: Request) -> Response:
        """The answer holds the signing secret, which is never shown again."""
        endpoint = services.add_endpoint(
            self.organization,
            by=request.user,  # type: ignore[arg-type]
            **self.prepared,
        )
        return Response(WebhookEndpointWithSecretSerializer(endpoint).data, status=201)

    @extend_schema(
        summary="Change a webhook endpoint",
        request=WebhookEndpointInputSerializer,
        responses=WebhookEndpointSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        endpoint = services.change_endpoint(self.get_object(), **self.prepared)
        return Response(WebhookEndpointSerializer(endpoint).data)

    @extend_schema(
        summary="Change a webhook endpoint",
        request=WebhookEndpointInputSerializer,
        responses=WebhookEndpointSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(summary="Delete a webhook endpoint", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Its log goes with it, and what was not delivered yet is dropped."""
        services.delete_endpoint(self.get_object())
        return Response(status=204)

    @extend_schema(
        summary="Rotate the signing secret", request=None, responses=WebhookEndpointWithSecretSerializer
    )
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """For 24 hours deliveries are signed with the old secret too, so that receivers can change over."""
        endpoint = services.rotate_secret(self.get_object())
        return Response(WebhookEndpointWithSecretSerializer(endpoint).data)

    @extend_schema(
        summary="Send a test event", request=None, responses={202: WebhookDeliveryWithBodySerializer}
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """A delivery of the type `webhook.test`; ask for it again to see how it went."""
        delivery = services.send_test_event(self.get_object())
        return Response(WebhookDeliveryWithBodySerializer(delivery).data, status=202)

    @extend_schema(summary="List deliveries", responses=WebhookDeliverySerializer(many=True))
    @action(detail=True)
    def deliveries(self, request: Request, pk: str) -> Response:
        """Newest first, 30 days back."""
        return self.page(self.get_object().deliveries.newest_first(), WebhookDeliverySerializer)

    @extend_schema(summary="Show a delivery", responses=WebhookDeliveryWithBodySerializer)
    @action(detail=True, url_path="deliveries/<uuid:delivery_id>", pagination_class=None)
    def delivery(self, request: Request, pk: str, delivery_id: str) -> Response:
        return Response(WebhookDeliveryWithBodySerializer(self._delivery(delivery_id)).data)

    @extend_schema(
        summary="Send a delivery again", request=None, responses={202: WebhookDeliveryWithBodySerializer}
    )
    @action(detail=True, methods=["post"], url_path="deliveries/<uuid:delivery_id>/resend")
    def resend(self, request: Request, pk: str, delivery_id: str) -> Response:
        """Under the same `webhook-id`, with all its retries."""
        delivery = services.resend_delivery(self._delivery(delivery_id))
        return Response(WebhookDeliveryWithBodySerializer(delivery).data, status=202)

    def _delivery(self, delivery_id: str) -> WebhookDelivery:
        deliveries: QuerySet[Any] = self.get_object().deliveries.select_related("endpoint")
        return get_object_or_404(deliveries, pk=delivery_id)


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("webhooks/endpoints", WebhookEndpointViewSet, basename="webhook-endpoint")
