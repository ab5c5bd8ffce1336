"""Versions of datasets: making, comparing and editing them, and taking them out as files."""

import json
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from datasets import comparing, editing, lineage, versions
from datasets.api import version_examples as examples
from datasets.api import version_serializers as shapes
from datasets.downloads import export_file, report_file
from datasets.models import Dataset, DatasetEdit, DatasetQuerySet
from finetuning.api.views import OrganizationViewSet

CREATED = {201: shapes.VersionSerializer}


class WhateverIsAccepted(JSONRenderer):
    """For answers that are files: their type is what the query says. Only refusals are rendered."""

    media_type = "*/*"


FILE_RENDERERS = [JSONRenderer, WhateverIsAccepted]


@extend_schema(tags=["versions"])
class VersionViewSet(OrganizationViewSet):
    """Beside the operations of fine-tuning, under a prefix of its own."""

    serializer_class = shapes.VersionSerializer
    input_serializers = {
        "filter": shapes.FilterSerializer,
        "sample": shapes.SampleSerializer,
        "split": shapes.SplitDatasetSerializer,
        "merge": shapes.MergeSerializer,
        "add_edit": shapes.NewEditSerializer,
    }
    creating_actions = ("repairs", "redaction", "filter", "sample", "split", "merge", "save_edits")
    hourly_limits = dict.fromkeys(creating_actions, versions.version_allowance)
    refusals = dict.fromkeys(("export", "problem_report", "edits"), (409,))

    def get_queryset(self) -> DatasetQuerySet:
        datasets: DatasetQuerySet = self.organization.datasets.select_related("created_by")
        return datasets.order_by("-version", "-id")

    @extend_schema(summary="List versions of a dataset", responses=shapes.VersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, pk: str) -> Response:
        """The newest first. `pk` is any of them."""
        dataset = self.get_object()
        found = self.get_queryset().filter(series_id=dataset.series_id)
        return self.page(found, shapes.VersionSerializer)

    @extend_schema(summary="Compare with the parent", responses=shapes.ChangeSerializer(many=True))
    @action(detail=True)
    def diff(self, request: Request, pk: str) -> Response:
        """The first 10,000 lines that are otherwise than in the parent. `change.counts` counts all."""
        changes = self.get_object().changes.order_by("number", "id")
        return self.page(changes, shapes.ChangeSerializer)

    @extend_schema(
        summary="Compare with any version",
        parameters=[shapes.CompareQuery],
        responses=shapes.ComparisonSerializer,
    )
    @action(detail=True, pagination_class=None)
    def comparison(self, request: Request, pk: str) -> Response:
        """How this version differs from another one of the same dataset, the old one: up to 50 changes, and
        how many there are in up to 100,000 examples of either."""
        query = self.valid_query(shapes.CompareQuery)
        start = comparing.place_of(query["start"]) or (0, 0)
        found = comparing.compare_versions(query["against"], self.get_object(), start=start)
        return Response(shapes.ComparisonSerializer(found).data)

    @extend_schema(summary="Show the lineage", responses=shapes.LineageSerializer)
    @action(detail=True, pagination_class=None)
    def lineage(self, request: Request, pk: str) -> Response:
        """From the recorded conversations to the models that were trained."""
        return Response(shapes.LineageSerializer(lineage.lineage_of(self.get_object())).data)

    @extend_schema(summary="Repair", request=None, responses=CREATED)
    @action(detail=True, methods=["post"])
    def repairs(self, request: Request, pk: str) -> Response:
        """Makes a version in which every problem with a mechanical repair is mended. The others stay."""
        return self._made(versions.repair_dataset(self.get_object(), by=request.user))

    @extend_schema(summary="Redact private data", request=None, responses=CREATED)
    @action(detail=True, methods=["post"])
    def redaction(self, request: Request, pk: str) -> Response:
        """Makes a version with `[EMAIL_1]` and the like in the place of personal data and secrets."""
        return self._made(versions.redact_dataset(self.get_object(), by=request.user))

    @extend_schema(summary="Filter", request=shapes.FilterSerializer, responses=CREATED)
    @action(detail=True, methods=["post"])
    def filter(self, request: Request, pk: str) -> Response:
        """Makes a version of the lines that meet all criteria, or of the others."""
        dataset = self.get_object()
        return self._made(versions.filter_dataset(dataset, by=request.user, **self.valid_input()))

    @extend_schema(summary="Draw a sample", request=shapes.SampleSerializer, responses=CREATED)
    @action(detail=True, methods=["post"])
    def sample(self, request: Request, pk: str) -> Response:
        """Makes another dataset. The same seed draws the same examples."""
        dataset = self.get_object()
        return self._made(versions.sample_dataset(dataset, by=request.user, **self.valid_input()))

    @extend_schema(
        summary="Split", request=shapes.SplitDatasetSerializer, responses={201: shapes.PartsSerializer}
    )
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: str) -> Response:
        """Makes two other datasets. Examples of one conversation, and doubles, stay together."""
        dataset = self.get_object()
        training, validation = versions.split_dataset(dataset, by=request.user, **self.valid_input())
        parts = shapes.PartsSerializer({"training": training, "validation": validation})
        return Response(parts.data, status=201)

    @extend_schema(summary="Merge datasets", request=shapes.MergeSerializer, responses=CREATED)
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Makes another dataset of all examples of this one and the others."""
        dataset = self.get_object()
        return self._made(versions.merge_datasets(dataset, by=request.user, **self.valid_input()))

    @extend_schema(
        summary="Report all problems",
        parameters=[shapes.ReportQuery],
        responses={(200, "application/jsonl"): OpenApiTypes.STR, (200, "text/csv"): OpenApiTypes.STR},
        examples=[
            OpenApiExample("JSON Lines", value=examples.REPORT_LINE, media_type="application/jsonl"),
            OpenApiExample("CSV", value=examples.REPORT_CSV, media_type="text/csv"),
        ],
    )
    @action(detail=True, url_path="problem-report", pagination_class=None, renderer_classes=FILE_RENDERERS)
    def problem_report(self, request: Request, pk: str) -> HttpResponseBase:
        """Every problem, also those beyond the first 1,000 of a kind, as a file."""
        return report_file(self.get_object(), self._file_format(shapes.ReportQuery))

    @extend_schema(
        summary="Export",
        parameters=[shapes.ExportQuery],
        responses={
            (200, media_type): OpenApiTypes.ANY if media_type == "application/json" else OpenApiTypes.STR
            for media_type in ("application/jsonl", "application/json", "text/csv")
        },
        examples=[
            OpenApiExample("JSON Lines", value=examples.ROW, media_type="application/jsonl"),
            OpenApiExample("JSON array", value=f"[\n{examples.ROW}]\n", media_type="application/json"),
            OpenApiExample("CSV", value='"prompt","completion"\r\n"Hi","Hello"\r\n', media_type="text/csv"),
        ],
    )
    @action(detail=True, pagination_class=None, renderer_classes=FILE_RENDERERS)
    def export(self, request: Request, pk: str) -> HttpResponseBase:
        """As a file. In the format in which it is stored it is the stored file, byte by byte; CSV is made
        safe for spreadsheets. 400 `not_exportable` names the first line that does not fit."""
        return export_file(self.get_object(), self._file_format(shapes.ExportQuery))

    @extend_schema(summary="List the edits of the draft", responses=shapes.EditSerializer(many=True))
    @action(detail=True)
    def edits(self, request: Request, pk: str) -> Response:
        """What is not saved as a version yet, by any member."""
        drafts = self.get_object().edits.drafts().select_related("created_by")
        return self.page(drafts, shapes.EditSerializer)

    @extend_schema(
        summary="Edit an example",
        request=shapes.NewEditSerializer,
        responses={201: shapes.EditSerializer},
    )
    @edits.mapping.post
    def add_edit(self, request: Request, pk: str) -> Response:
        """Puts an example to add, to change or to delete into the draft. An earlier edit of the same example
        is replaced."""
        edit = self._edit(self.get_object(), **self.valid_input())
        return Response(shapes.EditSerializer(edit).data, status=201)

    @extend_schema(summary="Discard the draft", responses={204: None})
    @edits.mapping.delete
    def discard_edits(self, request: Request, pk: str) -> Response:
        editing.discard_edits(self.get_object())
        return Response(status=204)

    @extend_schema(summary="Save the draft as a version", request=None, responses=CREATED)
    @action(detail=True, methods=["post"], url_path="edits/save")
    def save_edits(self, request: Request, pk: str) -> Response:
        return self._made(editing.save_edits(self.get_object(), by=request.user))

    def _made(self, dataset: Dataset) -> Response:
        return Response(shapes.VersionSerializer(dataset).data, status=201)

    def _file_format(self, query: type[Any]) -> Any:
        return self.valid_query(query)["file_format"]

    def _edit(
        self, dataset: Dataset, *, kind: str, position: int = -1, example: dict[str, Any] | None = None
    ) -> DatasetEdit:
        by, text = self.request.user, json.dumps(example, ensure_ascii=False)
        if kind == DatasetEdit.Kind.ADD:
            return editing.add_example(dataset, by=by, text=text)
        if kind == DatasetEdit.Kind.CHANGE:
            return editing.change_example(dataset, by=by, position=position, text=text)
        return editing.delete_example(dataset, by=by, position=position)
