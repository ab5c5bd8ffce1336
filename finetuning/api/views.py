"""The viewset of rows that belong to an organization."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetuning.api.serializers import QuerySerializer, represent
from finetuning.models import Organization, Role


class OrganizationViewSet(GenericViewSet[Any]):
    """Sees one organization. There is no `queryset`: each child's `get_queryset` starts at `organization`."""

    lookup_value_converter = "uuid"
    input_serializers: ClassVar[dict[str, type[Any]]] = {}
    role_to_change: ClassVar[Role] = Role.MEMBER
    action_roles: ClassVar[dict[str, Role]] = {}

    @property
    def organization(self) -> Organization:
        organization: Organization = self.request.organization  # type: ignore[attr-defined]
        return organization

    def get_serializer_class(self) -> type[Any]:
        """What the action takes, where it takes something; else what it gives."""
        return self.input_serializers.get(self.action or "", self.serializer_class or QuerySerializer)

    def valid_input(self) -> dict[str, Any]:
        """The body by the action's serializer; in a PATCH every field is optional. Raises ValidationError."""
        serializer = self.get_serializer(data=self.request.data, partial=self.request.method == "PATCH")
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def valid_query(self, serializer_class: type[QuerySerializer]) -> dict[str, Any]:
        """The query's filters that were given. Raises ValidationError."""
        serializer = serializer_class(
            data=self.request.query_params.dict(), context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def page(self, queryset: QuerySet[Any], serializer_class: type[Any]) -> Response:
        """One page of the rows, which must be ordered."""
        rows = self.paginate_queryset(queryset)
        return self.get_paginated_response([represent(serializer_class, row) for row in rows or []])
