"""Provider accounts: where an organization trains."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from finetuning.api.examples import CREATED_AT, UPDATED_AT, example
from finetuning.api.serializers import ModelSerializer, Serializer
from finetuning.api.views import OrganizationViewSet
from finetuning.models import ProviderAccount, Role
from finetuning.provider_accounts import services

HEALTH = ["unchecked", "healthy", "failing"]
SAVED = {
    "name": "nebius",
    "baseUrl": "https://api.tokenfactory.nebius.com/v1",
    "baseModels": ["Qwen/Qwen3-32B"],
    "default": True,
    "enabled": True,
}
ACCOUNT = {
    "id": "0199f3d8-2e7c-7a31-b84f-5d9c0e6a1b73",
    "kind": "compatible",
    **SAVED,
    "apiKeyLastFour": "4x9Q",
    "capabilities": {
        "methods": ["supervised", "dpo"],
        "pauses": False,
        "takesJobsUntil": None,
    },
    "health": "healthy",
    "lastCheckedAt": UPDATED_AT,
    "lastError": "",
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
}


@example(SAVED | {"apiKey": "v1.CmQKHHN0YXRpY2tleS1..."})
class UpdateProviderAccountSerializer(Serializer):
    name = serializers.SlugField(max_length=50, help_text="What a job calls `provider`.")
    base_url = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        help_text="Empty for OpenAI, Nebius and the sandbox: the vendor's own.",
    )
    api_key = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, help_text="Never shown again. Empty: it stays."
    )
    base_models = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=100,
        required=False,
        help_text="Base models that it offers besides the known ones.",
    )
    default = serializers.BooleanField(source="is_default", required=False)
    enabled = serializers.BooleanField(source="is_enabled", required=False)


@example(SAVED | {"kind": "compatible", "apiKey": "v1.CmQKHHN0YXRpY2tleS1..."})
class CreateProviderAccountSerializer(UpdateProviderAccountSerializer):
    kind = serializers.ChoiceField(choices=ProviderAccount.Kind.choices)


class CapabilitiesSerializer(Serializer):
    """What providers of this kind can do. `takesJobsUntil`: the first day on which it takes no new job."""

    methods = serializers.ListField(child=serializers.CharField())
    pauses = serializers.BooleanField()
    takes_jobs_until = serializers.DateField(allow_null=True)


@example(ACCOUNT)
class ProviderAccountSerializer(ModelSerializer):
    """Of the key, only the last four characters are ever shown."""

    kind = serializers.ChoiceField(choices=ProviderAccount.Kind.choices)
    base_url = serializers.CharField(help_text="Empty: the vendor's own.")
    base_models = serializers.ListField(child=serializers.CharField())
    default = serializers.BooleanField(source="is_default")
    enabled = serializers.BooleanField(source="is_enabled")
    health = serializers.ChoiceField(choices=HEALTH)
    capabilities = CapabilitiesSerializer()

    class Meta:
        model = ProviderAccount
        fields = (
            *("id", "name", "kind", "base_url", "api_key_last_four", "base_models", "default", "enabled"),
            *("capabilities", "health", "last_checked_at", "last_error", "created_at", "updated_at"),
        )
        read_only_fields = fields


@extend_schema(tags=["provider accounts"])
@extend_schema_view(
    list=extend_schema(summary="List provider accounts"),
    retrieve=extend_schema(summary="Show a provider account"),
)
class ProviderAccountViewSet(OrganizationViewSet):
    role_to_change = Role.ADMIN
    serializer_class = ProviderAccountSerializer
    input_serializers = {
        "create": CreateProviderAccountSerializer,
        "update": UpdateProviderAccountSerializer,
        "partial_update": UpdateProviderAccountSerializer,
    }
    refusals = dict.fromkeys(("update", "partial_update", "destroy"), (409,))

    def get_queryset(self) -> QuerySet[ProviderAccount]:
        accounts: QuerySet[Any] = self.organization.provider_accounts.select_related("organization")
        return accounts.order_by("created_at", "id")

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), ProviderAccountSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(ProviderAccountSerializer(self.get_object()).data)

    @extend_schema(
        summary="Add a provider account",
        request=CreateProviderAccountSerializer,
        responses={201: ProviderAccountSerializer},
    )
    def create(self, request: Request) -> Response:
        """Takes the role admin. It is tested when it is saved, and kept when that fails, too: see `health`
        and `lastError`. The address must be https, at a host that the operator allows."""
        account = services.create_account(self.organization, **self.valid_input())
        return Response(ProviderAccountSerializer(account).data, status=201)

    @extend_schema(
        summary="Change a provider account",
        request=UpdateProviderAccountSerializer,
        responses=ProviderAccountSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        """Takes the role admin. Another address takes the key again, and is refused once there are jobs; the
        kind stays for good. Tested again when it is saved."""
        account = services.update_account(self.get_object(), **self.valid_input())
        return Response(ProviderAccountSerializer(account).data)

    @extend_schema(
        summary="Change a provider account",
        request=UpdateProviderAccountSerializer,
        responses=ProviderAccountSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Takes the role admin. What is left out stays as it is."""
        return self.update(request, pk)

    @extend_schema(summary="Delete a provider account", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role admin. Refused once jobs were made with it: 409; switch it off instead."""
        services.delete_account(self.get_object())
        return Response(status=204)

    @extend_schema(summary="Test a provider account", request=None, responses=ProviderAccountSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Takes the role admin. Asks the provider for its models, which costs nothing; see `health`."""
        return Response(ProviderAccountSerializer(services.check_account(self.get_object())).data)


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("provider-accounts", ProviderAccountViewSet, basename="provider-account")
