"""What can be trained, and at what price."""

from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finetuning.api.serializers import Serializer
from finetuning.models import Organization
from finetuning.offers import Offer, list_offers

OFFER: dict[str, Any] = {
    "provider": "sandbox",
    "prices": {"trainingUsd": 5.0, "inputUsd": 0.8, "cachedInputUsd": 0.2, "outputUsd": 3.2},
    "pricesAsOf": "2025-12-01",
    "priceSource": "https://platform.openai.com/docs/pricing",
    "retiresOn": "2027-01-14",
    "retired": False,
    "retiresSoon": True,
}
EXAMPLE = {
    "data": [
        {
            "name": "gpt-4.1-mini-2025-04-14",
            "aliases": ["gpt-4.1-mini"],
            "providers": ["sandbox"],
            "methods": ["supervised", "dpo"],
            "maxExampleTokens": 65536,
            "prices": OFFER["prices"],
            "retiresOn": "2027-01-14",
            "retired": False,
            "offers": [OFFER],
        }
    ],
    "pricesAsOf": "2025-12-01",
}


class PricesSerializer(Serializer):
    """US dollars per million tokens; null where no price is known."""

    training_usd = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)
    input_usd = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)
    cached_input_usd = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)
    output_usd = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)


class OfferSerializer(Serializer):
    """A base model as one provider account offers it. `retiresSoon`: within 90 days, or already."""

    provider = serializers.CharField()
    prices = PricesSerializer()
    prices_as_of = serializers.DateField(allow_null=True)
    price_source = serializers.URLField(allow_null=True)
    retires_on = serializers.DateField(allow_null=True)
    retired = serializers.BooleanField()
    retires_soon = serializers.BooleanField()


class BaseModelSerializer(Serializer):
    """`prices`, `retiresOn` and `retired` are those of the first offer: the default account's, if any."""

    name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    providers = serializers.ListField(child=serializers.CharField())
    methods = serializers.ListField(child=serializers.CharField())
    max_example_tokens = serializers.IntegerField()
    prices = PricesSerializer()
    retires_on = serializers.DateField(allow_null=True)
    retired = serializers.BooleanField()
    offers = OfferSerializer(many=True)


class BaseModelListSerializer(Serializer):
    """`pricesAsOf` is the day of the newest price."""

    data = BaseModelSerializer(many=True)
    prices_as_of = serializers.DateField(allow_null=True)


class BaseModelsView(APIView):
    @extend_schema(
        summary="List base models",
        tags=["base models"],
        responses=BaseModelListSerializer,
        examples=[OpenApiExample("Base models", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Base models that the organization's provider accounts train, at what price, and until when."""
        organization: Organization = request._request.organization  # type: ignore[attr-defined]
        today = timezone.now().date()
        offers = {
            account.name: list_offers(account, day=today)
            for account in organization.provider_accounts.enabled()
        }
        days = [offer.price.valid_from for listed in offers.values() for offer in listed if offer.price]
        answer = {"data": list(_by_base_model(offers)), "prices_as_of": max(days, default=None)}
        return Response(BaseModelListSerializer(answer).data)


def _by_base_model(offers: dict[str, list[Offer]]) -> Iterator[dict[str, Any]]:
    """Each base model once, the known ones first, with the offers of all accounts."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for account, listed in offers.items():
        for offer in listed:
            found.setdefault(offer.base_model, []).append(_described(offer, account))
    for model, described in found.items():
        yield {
            "name": model.name,
            "aliases": model.aliases,
            "methods": model.methods,
            "max_example_tokens": model.max_example_tokens,
            "providers": [offer["provider"] for offer in described],
            "offers": described,
            **{name: described[0][name] for name in ("prices", "retires_on", "retired")},
        }


def _described(offer: Offer, account: str) -> dict[str, Any]:
    price = offer.price
    names = ("training_usd", "input_usd", "cached_input_usd", "output_usd")
    return {
        "provider": account,
        "prices": {name: getattr(price, name, None) for name in names},
        "prices_as_of": price.valid_from if price else None,
        "price_source": price.source_url if price else None,
        "retires_on": offer.retires_on,
        "retired": offer.is_retired,
        "retires_soon": offer.retires_soon,
    }
