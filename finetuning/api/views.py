"""The viewset of rows that belong to an organization."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetuning.api.conditions import add_etag, change_if_unchanged
from finetuning.api.idempotency import answer_once
from finetuning.api.places import QueryInvalid
from finetuning.api.serializers import QuerySerializer, represent
from finetuning.limits import Allowance
from finetuning.models import Organization, Role

CHANGING_ACTIONS = ("update", "partial_update", "destroy")
# What every list takes beside its filters.
PAGE_PARAMETERS = ("cursor", "limit")


class OrganizationViewSet(GenericViewSet[Any]):
    """Sees one organization. There is no `queryset`: each child's `get_queryset` starts at `organization`.

    An action in `creating_actions` takes an `Idempotency-Key` and then runs in one transaction with it; what
    may not be in a transaction goes into `prepare`. An action in `hourly_limits` has the limit that the
    function there tells, and does not count as one of the requests a minute.
    """

    lookup_value_converter = "uuid"
    input_serializers: ClassVar[dict[str, type[Any]]] = {}
    role_to_change: ClassVar[Role] = Role.MEMBER
    action_roles: ClassVar[dict[str, Role]] = {}
    creating_actions: ClassVar[tuple[str, ...]] = ("create",)
    hourly_limits: ClassVar[dict[str, Callable[[Organization], Allowance]]] = {}
    # What `finetuning.api.statuses` cannot see of an action.
    refusals: ClassVar[dict[str, tuple[int, ...]]] = {}
    prepared: Any = None
    query_is_read = False

    @property
    def organization(self) -> Organization:
        organization: Organization = self.request.organization  # type: ignore[attr-defined]
        return organization

    @property
    def own_allowance(self) -> Callable[[Organization], Allowance] | None:
        return self.hourly_limits.get(self.action or "")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # REST framework looks the handler up after this.
        method = (request.method or "").lower()
        if self.action in self.creating_actions:
            self.post = self._wrapped(answer_once, self.post)
        elif self.action in CHANGING_ACTIONS:
            setattr(self, method, self._wrapped(change_if_unchanged, getattr(self, method)))

    def _wrapped(self, wrapper: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
        bound = partial(wrapper, self, handler)
        return lambda request, **kwargs: bound(**kwargs)

    def prepare(self) -> AbstractContextManager[Any]:
        """What a creating or changing action needs first and outside its transaction, such as a stored file.

        The action finds it as `self.prepared`.
        """
        return nullcontext()

    def lock_object(self) -> None:
        """Let nobody change the row that the path names until the transaction ends. Raises Http404."""
        rows = self.get_queryset().select_for_update(no_key=True, of=("self",))
        get_object_or_404(
            rows, **{self.lookup_field: self.kwargs[self.lookup_url_kwarg or self.lookup_field]}
        )

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        shows_row = self.action in ("retrieve", "update", "partial_update") and response.status_code == 200
        if shows_row and request.accepted_renderer.format == "json":
            response = add_etag(self, response)
        if self.own_allowance and getattr(request._request, "organization", None):
            request._request.allowance = self.own_allowance(self.organization)  # type: ignore[attr-defined]
        return super().finalize_response(request, response, *args, **kwargs)

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
        """The query's filters that were given. Raises QueryInvalid, also for an unknown or a doubled one."""
        self.query_is_read = True
        given = {
            name: values for name, values in self.request.query_params.lists() if name not in PAGE_PARAMETERS
        }
        twice = [name for name, values in given.items() if len(values) > 1]
        if twice:
            detail = ErrorDetail("Give it once.", code="given_twice")
            raise QueryInvalid({name: [detail] for name in twice})
        serializer = serializer_class(
            data={name: value for name, [value] in given.items()}, context=self.get_serializer_context()
        )
        if not serializer.is_valid():
            raise QueryInvalid(serializer.errors)
        return serializer.validated_data

    def page(self, queryset: QuerySet[Any], serializer_class: type[Any]) -> Response:
        """One page of the rows, which must be ordered."""
        if not self.query_is_read:
            self.valid_query(QuerySerializer)
        rows = self.paginate_queryset(queryset)
        return self.get_paginated_response([represent(serializer_class, row) for row in rows or []])
