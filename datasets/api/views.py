"""Operations 1 to 9, and previews of files."""

from collections import defaultdict
from contextlib import AbstractContextManager
from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from datasets import previews, services
from datasets.api import serializers as shapes
from datasets.models import DatasetProblem, DatasetQuerySet
from finetuning.api.serializers import NameAndDescriptionSerializer
from finetuning.api.views import OrganizationViewSet
from finetuning.models import Role
from finetuning.uploads import uploaded_files


@extend_schema(tags=["datasets"])
@extend_schema_view(
    list=extend_schema(summary="List datasets", parameters=[shapes.DatasetFilters]),
    retrieve=extend_schema(summary="Show a dataset", responses=shapes.DatasetDetailSerializer),
)
class DatasetViewSet(OrganizationViewSet):
    action_roles = {"destroy": Role.OWNER}
    serializer_class = shapes.DatasetSerializer
    input_serializers = {
        "create": shapes.UploadSerializer,
        "update": NameAndDescriptionSerializer,
        "partial_update": NameAndDescriptionSerializer,
        "import_from_conversations": shapes.ImportSerializer,
    }
    creating_actions = ("create", "import_from_conversations")
    hourly_limits = dict.fromkeys(creating_actions, services.upload_allowance)
    refusals = {"destroy": (409,)}

    def get_queryset(self) -> DatasetQuerySet:
        datasets: DatasetQuerySet = self.organization.datasets.select_related("created_by")
        return datasets.order_by("-created_at", "-id")

    def get_parsers(self) -> list[BaseParser]:
        # A file comes as a form; REST framework asks before it says which action it is.
        takes_file = getattr(self, "action_map", {}).get("post") == "create"
        return [MultiPartParser()] if takes_file else super().get_parsers()

    def prepare(self) -> AbstractContextManager[Any]:
        if self.action != "create":
            return super().prepare()
        file, *more_files = uploaded_files(self.request)
        values = {"file": file, "more_files": more_files} | self.valid_input()
        return services.stored_upload(self.organization, by=self.request.user, **values)

    def list(self, request: Request) -> Response:
        """The newest version of each dataset."""
        filters = self.valid_query(shapes.DatasetFilters)
        return self.page(self.get_queryset().newest().filter(**filters), shapes.DatasetSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(shapes.DatasetDetailSerializer(self.get_object()).data)

    @extend_schema(
        summary="Upload a dataset",
        request=shapes.UploadSerializer,
        responses={201: shapes.DatasetSerializer},
    )
    def create(self, request: Request) -> Response:
        """JSONL, CSV, Parquet or a JSON array of at most 100 MB, in one file or several of one format. The
        examples are read in a worker.
        """
        dataset, harmed_files = self.prepared
        services.accept_dataset(dataset, harmed_files=harmed_files)
        return Response(shapes.DatasetSerializer(dataset).data, status=201)

    @extend_schema(
        summary="Count datasets",
        parameters=[shapes.DatasetFilters],
        responses=shapes.DatasetStatsSerializer,
    )
    @action(detail=False, pagination_class=None)
    def stats(self, request: Request) -> Response:
        totals = self.organization.datasets.totals(**self.valid_query(shapes.DatasetFilters))
        return Response(shapes.DatasetStatsSerializer(totals).data)

    @extend_schema(
        summary="Import conversations",
        request=shapes.ImportSerializer,
        responses={201: shapes.DatasetSerializer},
    )
    @action(detail=False, methods=["post"], url_path="import-from-conversations")
    def import_from_conversations(self, request: Request) -> Response:
        """Make a dataset of recorded conversations. Dates include both ends."""
        dataset = services.import_conversations(
            self.organization,
            by=request.user,  # type: ignore[arg-type]
            **self.valid_input(),
        )
        return Response(shapes.DatasetSerializer(dataset).data, status=201)

    @extend_schema(
        summary="Change name or description",
        request=NameAndDescriptionSerializer,
        responses=shapes.DatasetDetailSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        dataset = services.update_dataset(self.get_object(), **self.valid_input())
        return Response(shapes.DatasetDetailSerializer(dataset).data)

    @extend_schema(
        summary="Change name or description",
        request=NameAndDescriptionSerializer,
        responses=shapes.DatasetDetailSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(summary="Delete a dataset", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Takes the role owner. Refused while a job that has not ended uses it."""
        services.delete_dataset(self.get_object())
        return Response(status=204)

    @extend_schema(
        summary="Validate again",
        request=None,
        responses={200: shapes.ValidationSerializer, 202: shapes.ValidationSerializer},
    )
    @action(detail=True, methods=["post"])
    def validate(self, request: Request, pk: str) -> Response:
        """202 with the dataset's `Location` for what a worker reads: a large file, Parquet, and what is still
        being made.
        """
        dataset = services.check_dataset(self.get_object())
        answer = {
            "valid": None if dataset.is_processing else dataset.validated,
            "total_examples": dataset.total_examples,
            "total_tokens": dataset.total_tokens,
            "errors": dataset.placed_errors,
        }
        body = shapes.ValidationSerializer(answer).data
        if not dataset.is_processing:
            return Response(body)
        location = reverse("dataset-detail", args=[dataset.pk], request=request)
        return Response(body, status=202, headers={"Location": location})

    @extend_schema(
        summary="List examples",
        parameters=[shapes.ExampleFilters],
        responses=shapes.ExampleSerializer(many=True),
    )
    @action(detail=True)
    def examples(self, request: Request, pk: str) -> Response:
        """In the order of the file."""
        dataset = self.get_object()
        found = dataset.examples.matching(**self.valid_query(shapes.ExampleFilters))
        rows: list[Any] = self.paginate_queryset(found.order_by("position")) or []
        problems: dict[tuple[int, int | None], list[DatasetProblem]] = defaultdict(list)
        of_element = Q(element=None) | Q(element__in=[row.element for row in rows])
        on_lines = dataset.problems.filter(of_element, line__in=[row.line for row in rows])
        for problem in on_lines.order_by("id"):
            problems[problem.line, problem.element].append(problem)
        context = {"problems_by_place": problems}
        return self.get_paginated_response(shapes.ExampleSerializer(rows, many=True, context=context).data)


class PreviewViewSet(OrganizationViewSet):
    """Nothing is made, so there is no `Idempotency-Key`."""

    serializer_class = shapes.PreviewSerializer
    input_serializers = {"create": shapes.FilesSerializer}
    creating_actions = ()
    parser_classes = [MultiPartParser]

    @extend_schema(
        tags=["datasets"],
        summary="Preview a file",
        request=shapes.FilesSerializer,
        responses={200: shapes.PreviewSerializer},
    )
    def create(self, request: Request) -> Response:
        """What the first rows of a file become and what is wrong with them, as validation would say it.

        Takes what an upload takes, and keeps nothing.
        """
        previewed = previews.preview_upload(uploaded_files(request), **self.valid_input())
        return Response(shapes.PreviewSerializer(previewed).data)
