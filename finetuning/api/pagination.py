"""Pages by position in the order, so that they stay right while rows are added."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.exceptions import ErrorDetail
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from finetuning.api.places import QueryInvalid

if TYPE_CHECKING:
    # rest_framework.views loads this module by its setting, before it is whole itself.
    from rest_framework.views import APIView

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class CursorPage(BasePagination):
    """`{data, hasMore, nextCursor}`. The queryset says the order, which must end in a unique column.

    A cursor is signed and good only for a list of the same model in the same order.
    """

    next_cursor: str | None = None

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        limit = _limit(request)
        ordering = tuple(str(name) for name in queryset.query.order_by)
        salt = f"{queryset.model._meta.label}:{ordering}"
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            queryset = queryset.filter(_after(ordering, _read_cursor(cursor, salt=salt)))
        rows = list(queryset[: limit + 1])
        if len(rows) > limit:
            self.next_cursor = signing.dumps(_position(rows[limit - 1], ordering), salt=salt)
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"data": data, "hasMore": self.next_cursor is not None, "nextCursor": self.next_cursor}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["data", "hasMore", "nextCursor"],
            "properties": {
                "data": schema,
                "hasMore": {"type": "boolean", "example": True},
                "nextCursor": {
                    "type": ["string", "null"],
                    "description": "Send it as `cursor`.",
                    "example": "WyIyMDI2LTExLTIzIl0:1tX",
                },
            },
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "`nextCursor` of the page before.",
                "schema": {"type": "string"},
            },
            {"name": "limit", "in": "query", "description": "Rows on a page.", "schema": limit},
        ]


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,3}", given) or not 1 <= int(given) <= MAX_LIMIT:
        detail = ErrorDetail(f"Give a number from 1 to {MAX_LIMIT}.", code="limit_out_of_range")
        raise QueryInvalid({"limit": [detail]})
    return int(given)


def _read_cursor(cursor: str, *, salt: str) -> list[Any]:
    try:
        values: list[Any] = signing.loads(cursor, salt=salt)
    except signing.BadSignature as error:
        detail = ErrorDetail("Not a cursor of this list. Start again without one.", code="invalid_cursor")
        raise QueryInvalid({"cursor": [detail]}) from error
    return values


def _position(row: Model, ordering: Sequence[str]) -> list[Any]:
    values = [getattr(row, name.lstrip("-")) for name in ordering]
    return [
        value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)
        for value in values
    ]


def _after(ordering: Sequence[str], values: Sequence[Any]) -> Any:
    """Rows behind the one with these values; compared all at once, so that an index finds the place."""
    columns = Tuple(*[F(name.lstrip("-")) for name in ordering])
    directions = {name.startswith("-") for name in ordering}
    if directions == {True}:
        return TupleLessThan(columns, tuple(values))
    assert directions == {False}, "a list is in one direction"
    return TupleGreaterThan(columns, tuple(values))
