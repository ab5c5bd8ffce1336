"""What can be trained, and at what price."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finetuning.api.serializers import Serializer
from finetuning.models import Organization, ProviderAccount
from finetuning.providers.base_models import KNOWN, PRICES_AS_OF, BaseModel, find_base_model

EXAMPLE = {
    "data": [
        {
            "name": "gpt-4.1-mini-2025-04-14",
            "aliases": ["gpt-4.1-mini"],
            "providers": ["sandbox"],
            "methods": ["supervised", "dpo"],
            "maxExampleTokens": 65536,
            "prices": {"trainingUsd": 5.0, "inputUsd": 0.8, "outputUsd": 3.2},
            "retiresOn": "2027-01-14",
            "retired": False,
        }
    ],
    "pricesAsOf": PRICES_AS_OF,
}


class PricesSerializer(Serializer):
    """US dollars per million tokens; null where no price is published."""

    training_usd = serializers.DecimalField(max_digits=10, decimal_places=2, allow_null=True)
    input_usd = serializers.DecimalField(max_digits=10, decimal_places=2, allow_null=True)
    output_usd = serializers.DecimalField(max_digits=10, decimal_places=2, allow_null=True)


class BaseModelSerializer(Serializer):
    name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    providers = serializers.ListField(child=serializers.CharField())
    methods = serializers.ListField(child=serializers.CharField())
    max_example_tokens = serializers.IntegerField()
    prices = PricesSerializer()
    retires_on = serializers.DateField(allow_null=True)
    retired = serializers.BooleanField()


class BaseModelListSerializer(Serializer):
    data = BaseModelSerializer(many=True)
    prices_as_of = serializers.DateField()


class BaseModelsView(APIView):
    @extend_schema(
        summary="List base models",
        tags=["base models"],
        responses=BaseModelListSerializer,
        examples=[OpenApiExample("Base models", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Base models that the organization's provider accounts train, and until when."""
        organization: Organization = request._request.organization  # type: ignore[attr-defined]
        answer = {"data": list(_offered(organization)), "prices_as_of": PRICES_AS_OF}
        return Response(BaseModelListSerializer(answer).data)


def _offered(organization: Organization) -> Iterator[dict[str, Any]]:
    """Known base models with every enabled account, then what single accounts offer besides."""
    accounts = list(organization.provider_accounts.enabled())
    names = [account.name for account in accounts]
    if accounts:
        yield from (_described(model, providers=names) for model in KNOWN)
    for name in dict.fromkeys(name for account in accounts for name in account.base_models):
        yield from _described_extra(name, accounts)


def _described_extra(name: str, accounts: list[ProviderAccount]) -> Iterator[dict[str, Any]]:
    offering = [account.name for account in accounts if name in account.base_models]
    model = find_base_model(name, offered=[name])
    if model is not None and model not in KNOWN:
        yield _described(model, providers=offering)


def _described(model: BaseModel, *, providers: list[str]) -> dict[str, Any]:
    columns = asdict(model)
    return {
        **columns,
        "prices": columns,
        "providers": providers,
        "retired": model.is_retired(timezone.now().date()),
    }
