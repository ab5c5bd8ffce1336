"""The JSON of datasets, their examples, and conversations."""

from datetime import time
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from datasets.api import examples
from datasets.api.fields import TagsField
from datasets.layouts import LAYOUTS, TARGETS
from datasets.models import Dataset, DatasetProblem, TrainingExample
from datasets.problem_codes import KINDS
from finetuning.api.examples import example
from finetuning.api.fields import DayOrTimeField, NumberField, OwnedRelatedField
from finetuning.api.serializers import (
    ModelSerializer,
    NameAndDescriptionSerializer,
    PersonSerializer,
    QuerySerializer,
    Serializer,
)
from finetuning.strict_json import StrictJSONError, loads


@extend_schema_field({"type": "string", "example": '{"question": "user", "answer": "assistant"}'})
class ColumnMappingField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object as text, as a form has only text: what each column is."""

    default_error_messages = {"not_an_object": "Give a JSON object: the name of each column and what it is."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        try:
            value = loads(data.encode()) if isinstance(data, str) else None
        except StrictJSONError:
            value = None
        if not isinstance(value, dict) or not all(isinstance(target, str) for target in value.values()):
            self.fail("not_an_object")
        return value


class FilesField(serializers.ListField):
    """Files of a form; a browser sends an empty text where none was chosen."""

    child = serializers.FileField(allow_empty_file=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=settings.DATA_UPLOAD_MAX_NUMBER_FILES, **options)

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        return serializers.empty if value == [""] else value


class DatasetFilters(QuerySerializer):
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)


class ExampleFilters(QuerySerializer):
    search = serializers.CharField(max_length=200, required=False, help_text="Text in the messages.")
    problem = serializers.ChoiceField(choices=list(KINDS), required=False, help_text="Code of a problem.")


class FilesSerializer(Serializer):
    """Which files are sent, and how they are to be read."""

    file = serializers.FileField(
        help_text="JSONL, CSV, Parquet or a JSON array; at most 100 MB.",
        allow_empty_file=True,
        required=False,
    )
    files = FilesField(
        required=False,
        help_text="At most 10 files of one format instead of `file`, at most 100 MB together.",
    )
    format = serializers.ChoiceField(
        choices=Dataset.Format.choices, required=False, help_text="Found out from the file when left out."
    )
    layout = serializers.ChoiceField(
        choices=list(LAYOUTS.items()),
        required=False,
        help_text="How rows say what is trained. Found out from the first rows when left out.",
    )
    column_mapping = ColumnMappingField(
        required=False,
        help_text="For the layout `columns`, a JSON object: what each column is, one of "
        f"{', '.join(f'`{target}`' for target in TARGETS)}. Suggested from the names when left out.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The files themselves come from the request, where their size has been watched."""
        return {name: value for name, value in attrs.items() if name not in ("file", "files")}


@example(examples.UPLOAD)
class UploadSerializer(FilesSerializer, NameAndDescriptionSerializer):
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)


@example(examples.IMPORT)
class ImportSerializer(NameAndDescriptionSerializer):
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)
    agent_id = serializers.CharField(max_length=200, required=False)
    model = serializers.CharField(max_length=200, required=False)
    tags = TagsField(required=False, help_text="Conversations that have each of them.")
    search = serializers.CharField(max_length=200, required=False, help_text="Text that was said.")
    start_date = DayOrTimeField(time_of_day=time.min, required=False)
    end_date = DayOrTimeField(time_of_day=time.max, required=False)
    min_quality_score = NumberField(min_value=0, max_value=1, required=False)
    deduplicate = serializers.BooleanField(
        required=False, help_text="Of conversations with the same messages take the newest only."
    )
    max_examples = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False)


class UploadedFileSerializer(Serializer):
    """One of the files of a dataset. Lines are counted through all of them, from `firstLine` on."""

    name = serializers.CharField()
    size_bytes = serializers.IntegerField(source="size")
    first_line = serializers.IntegerField()


@example(examples.DATASET)
class DatasetSerializer(ModelSerializer):
    organization_id = serializers.UUIDField(read_only=True)
    workspace_id = serializers.UUIDField(read_only=True, allow_null=True)
    validated = serializers.BooleanField(read_only=True)
    source_filters = serializers.DictField(read_only=True, allow_null=True)
    progress_percentage = serializers.IntegerField(read_only=True, min_value=0, max_value=100)
    creator = PersonSerializer(source="created_by", read_only=True, allow_null=True)
    files = UploadedFileSerializer(many=True, read_only=True)
    column_mapping = serializers.DictField(child=serializers.CharField(), read_only=True)
    validation_errors = serializers.ListField(
        source="placed_errors", child=serializers.DictField(), read_only=True
    )
    layout = serializers.ChoiceField(
        choices=[*LAYOUTS.items(), ("", "Not known yet")], read_only=True, help_text="Empty until it is read."
    )
    change = serializers.DictField(read_only=True, allow_null=True)
    series_id = serializers.UUIDField(read_only=True)
    parent_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = Dataset
        fields = (
            *("id", "organization_id", "workspace_id", "name", "description", "file_name", "file_size_bytes"),
            *(
                "sha256",
                "files",
                "format",
                "layout",
                "column_mapping",
                "source",
                "source_filters",
                "status",
                "progress_percentage",
                "validated",
                "validation_errors",
            ),
            *("total_examples", "total_tokens", "creator", "created_at", "updated_at"),
            *("series_id", "version", "parent_id", "change", "superseded_at"),
        )
        read_only_fields = fields


class ValidationReportSerializer(Serializer):
    """Every line is an accepted example, rejected, or blank."""

    total_lines = serializers.IntegerField()
    total_examples = serializers.IntegerField()
    rejected_lines = serializers.IntegerField()
    blank_lines = serializers.IntegerField()
    problem_counts = serializers.DictField(child=serializers.IntegerField())
    validated_at = serializers.DateTimeField(allow_null=True)


class HealthPartSerializer(Serializer):
    name = serializers.CharField()
    points = serializers.IntegerField(min_value=0, max_value=100)
    weight = serializers.IntegerField()
    reason = serializers.CharField()


class HealthSerializer(Serializer):
    """`score` is the weighted mean of the points of all parts."""

    score = serializers.IntegerField(min_value=0, max_value=100)
    parts = HealthPartSerializer(many=True)


class StatisticsSerializer(Serializer):
    """Histograms go by the upper end of each doubling; `systemPrompts` has the most frequent ones, by their
    beginning; `languages` are shares of a sample of texts, by BCP 47.
    """

    examples = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    mean_tokens = serializers.FloatField()
    longest_tokens = serializers.IntegerField()
    truncated_examples = serializers.IntegerField()
    tokens_histogram = serializers.DictField(child=serializers.IntegerField())
    turns_histogram = serializers.DictField(child=serializers.IntegerField())
    roles = serializers.DictField(child=serializers.IntegerField())
    image_examples = serializers.IntegerField()
    tool_examples = serializers.IntegerField()
    answers = serializers.IntegerField()
    empty_answers = serializers.IntegerField()
    refusals = serializers.IntegerField()
    answer_characters = serializers.IntegerField()
    without_system_prompt = serializers.IntegerField()
    system_prompts = serializers.DictField(child=serializers.IntegerField())
    languages = serializers.DictField(child=serializers.FloatField())


class QualitySerializer(Serializer):
    """What the examples are like. `privateData` counts findings by kind."""

    health = HealthSerializer()
    exact_duplicates = serializers.IntegerField()
    near_duplicates = serializers.IntegerField()
    private_data = serializers.DictField(child=serializers.IntegerField())
    statistics = StatisticsSerializer(source="summary")


@example(examples.DETAIL)
class DatasetDetailSerializer(DatasetSerializer):
    validation_report = ValidationReportSerializer(source="*", read_only=True)
    quality = QualitySerializer(read_only=True, allow_null=True)

    class Meta(DatasetSerializer.Meta):
        fields = (*DatasetSerializer.Meta.fields, "validation_report", "quality")
        read_only_fields = fields


@example(examples.STATS)
class DatasetStatsSerializer(Serializer):
    total_datasets = serializers.IntegerField()
    total_examples = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    total_size_bytes = serializers.IntegerField()
    validated_datasets = serializers.IntegerField()
    by_format = serializers.DictField(child=serializers.IntegerField())
    by_source = serializers.DictField(child=serializers.IntegerField())


@example(examples.VALIDATION)
class ValidationSerializer(Serializer):
    """`valid` is null while the file is still being read."""

    valid = serializers.BooleanField(allow_null=True)
    total_examples = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    errors = serializers.ListField(child=serializers.DictField())


class ProblemSerializer(ModelSerializer):
    """`file` and `fileLine` say the place in one of several files; `line` is counted through all of them."""

    file = serializers.CharField(read_only=True)
    file_line = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta:
        model = DatasetProblem
        fields = (
            *("code", "severity", "line", "file", "file_line", "pointer", "message", "found", "expected"),
            "fix",
        )
        read_only_fields = fields


@example(examples.EXAMPLE)
class ExampleSerializer(ModelSerializer):
    """What is trained, and what there is to say about its row."""

    # Needs `problems_by_place` in the context, by line and element.
    messages = serializers.ListField(child=serializers.DictField(), read_only=True)
    problems = serializers.SerializerMethodField("problems_of_row")
    conversation_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = TrainingExample
        fields = ("position", "messages", "token_count", "problems", "conversation_id")
        read_only_fields = fields

    @extend_schema_field(ProblemSerializer(many=True))
    def problems_of_row(self, example: TrainingExample) -> Any:
        problems = self.context["problems_by_place"].get((example.line, example.element), [])
        return ProblemSerializer(problems, many=True).data


class PreviewedRowSerializer(Serializer):
    """`row` is what would be trained, in the vendor's shape; null where the row could not be read."""

    line = serializers.IntegerField()
    accepted = serializers.BooleanField()
    row = serializers.JSONField()
    token_count = serializers.IntegerField()
    problems = ProblemSerializer(many=True)


@example(examples.PREVIEW)
class PreviewSerializer(Serializer):
    """`complete` says whether these are all rows of the file."""

    format = serializers.ChoiceField(choices=Dataset.Format.choices)
    layout = serializers.ChoiceField(choices=list(LAYOUTS.items()))
    columns = serializers.ListField(child=serializers.CharField())
    column_mapping = serializers.DictField(child=serializers.CharField())
    complete = serializers.BooleanField()
    rows = PreviewedRowSerializer(many=True)
    problems = ProblemSerializer(many=True)
