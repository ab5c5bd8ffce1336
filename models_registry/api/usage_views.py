"""What calls through the gateway used, by day."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.examples import MODEL_ID, example
from finetuning.api.fields import DayField, OwnedRelatedField
from finetuning.api.serializers import ModelSerializer, QuerySerializer
from finetuning.api.views import OrganizationViewSet
from models_registry.api.agent_serializers import AGENT_ID, KEY_ID
from models_registry.models import UsageDay


class UsageFilters(QuerySerializer):
    model_id = OwnedRelatedField(relation="fine_tuned_models", source="model", required=False)
    since = DayField(source="day__gte", required=False)
    until = DayField(source="day__lte", required=False)


@example(
    {
        "day": "2026-11-23",
        "providerModelId": "ft:gpt-4.1-mini-2025-04-14:acme::9k2",
        "modelId": MODEL_ID,
        "agentId": AGENT_ID,
        "keyId": KEY_ID,
        "requests": 128,
        "errors": 1,
        "hangUps": 0,
        "promptTokens": 40960,
        "completionTokens": 12288,
        "latencyMs": 52480,
        "firstTokenMs": 25600,
        "priceUsd": 0.072,
        "unpricedTokens": 0,
    }
)
class UsageDaySerializer(ModelSerializer):
    model_id = serializers.UUIDField(read_only=True, allow_null=True)
    agent_id = serializers.UUIDField(read_only=True, allow_null=True)
    key_id = serializers.UUIDField(source="api_key_id", read_only=True, allow_null=True)
    price_usd = serializers.FloatField(
        source="known_price_usd",
        read_only=True,
        allow_null=True,
        help_text="Of the tokens whose price is known; null when none is.",
    )

    class Meta:
        model = UsageDay
        fields = (
            *("day", "provider_model_id", "model_id", "agent_id", "key_id", "requests", "errors", "hang_ups"),
            *("prompt_tokens", "completion_tokens", "latency_ms", "first_token_ms", "price_usd"),
            "unpriced_tokens",
        )
        read_only_fields = fields


@extend_schema(tags=["usage"])
@extend_schema_view(list=extend_schema(summary="List usage by day", parameters=[UsageFilters]))
class UsageViewSet(OrganizationViewSet):
    """A row for each day (UTC), model, agent and key; the newest day first. Latencies are sums."""

    serializer_class = UsageDaySerializer

    def get_queryset(self) -> QuerySet[UsageDay]:
        days: QuerySet[UsageDay] = self.organization.usage_days.order_by("-day", "-id")
        return days

    def list(self, request: Request) -> Response:
        filters = self.valid_query(UsageFilters)
        return self.page(self.get_queryset().filter(**filters), UsageDaySerializer)
