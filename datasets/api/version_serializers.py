"""The JSON of versions, diffs, drafts and lineage."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from datasets.api import version_examples as examples
from datasets.api.serializers import DatasetSerializer
from datasets.comparing import PLACE
from datasets.exporting import FORMATS
from datasets.models import Dataset, DatasetChange, DatasetEdit
from datasets.versions import MAX_SEED, MAX_SOURCES
from finetuning.api.examples import example
from finetuning.api.fields import NumberField, OwnedRelatedField
from finetuning.api.serializers import ModelSerializer, PersonSerializer, QuerySerializer, Serializer


@example(examples.VERSION)
class VersionSerializer(DatasetSerializer):
    """A dataset that was made of others. `change` says how, and how many lines it concerned."""


@example(examples.FILTER)
class FilterSerializer(Serializer):
    keep = serializers.ChoiceField(choices=["matching", "others"], help_text="Which lines stay.")
    search = serializers.CharField(max_length=200, required=False, help_text="Text in the row.")
    problem = serializers.CharField(max_length=40, required=False, help_text="Code of a problem of the line.")
    min_tokens = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    max_tokens = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)


@example(examples.SAMPLE)
class SampleSerializer(Serializer):
    name = serializers.CharField(max_length=200)
    count = serializers.IntegerField(min_value=1, max_value=1_000_000)
    seed = serializers.IntegerField(min_value=0, max_value=MAX_SEED)


@example(examples.SPLIT)
class SplitDatasetSerializer(Serializer):
    ratio = NumberField(min_value=0.01, max_value=0.99, help_text="The share of the validation data.")
    seed = serializers.IntegerField(min_value=0, max_value=MAX_SEED)


@example(examples.MERGE)
class MergeSerializer(Serializer):
    name = serializers.CharField(max_length=200)
    dataset_ids = OwnedRelatedField(
        source="others",
        relation="datasets",
        many=True,
        help_text=f"1 to {MAX_SOURCES - 1} others, which follow in this order.",
    )


@example(examples.PARTS)
class PartsSerializer(Serializer):
    training = DatasetSerializer()
    validation = DatasetSerializer()


class DifferenceSerializer(Serializer):
    """Texts are cut to what is around the difference."""

    pointer = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


@example(examples.CHANGE)
class ChangeSerializer(ModelSerializer):
    details = DifferenceSerializer(many=True, read_only=True)

    class Meta:
        model = DatasetChange
        fields = ("number", "kind", "parent_line", "line", "details")
        read_only_fields = fields


class CompareQuery(QuerySerializer):
    against_id = OwnedRelatedField(
        source="against", relation="datasets", help_text="Another version of the same dataset: the old one."
    )
    start = serializers.RegexField(
        PLACE, trim_whitespace=False, default="0-0", help_text="The `nextStart` of the answer before."
    )


class CountsSerializer(Serializer):
    kept = serializers.IntegerField(default=0)
    changed = serializers.IntegerField(default=0)
    removed = serializers.IntegerField(default=0)
    added = serializers.IntegerField(default=0)


class ComparedSerializer(Serializer):
    old = serializers.IntegerField()
    new = serializers.IntegerField()


@example(examples.COMPARISON)
class ComparisonSerializer(Serializer):
    """A part of the examples: how many of either version were compared, and what came of them."""

    counts = CountsSerializer()
    compared = ComparedSerializer()
    changes = ChangeSerializer(many=True)
    next_start = serializers.CharField(
        source="next_place", allow_null=True, help_text="Where to go on; null at the end."
    )


class ReportQuery(QuerySerializer):
    file_format = serializers.ChoiceField(choices=["csv", "jsonl"])


class ExportQuery(QuerySerializer):
    file_format = serializers.ChoiceField(choices=list(FORMATS))


@example(examples.NEW_EDIT)
class NewEditSerializer(Serializer):
    """`add` takes an `example`, `delete` a `position`, `change` both. Positions count from 0."""

    kind = serializers.ChoiceField(choices=DatasetEdit.Kind.choices)
    position = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    example = serializers.DictField(required=False, help_text="A row as a line of the file would hold it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = {"add": {"example"}, "delete": {"position"}, "change": {"position", "example"}}
        given = attrs.keys() - {"kind"}
        errors = {
            name: [ErrorDetail(f"An edit of this kind takes {rule} {name}.", code=code)]
            for names, rule, code in (
                (needed[attrs["kind"]] - given, "a", "needed_for_this_kind"),
                (given - needed[attrs["kind"]], "no", "not_expected"),
            )
            for name in names
        }
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


@example(examples.EDIT)
class EditSerializer(ModelSerializer):
    creator = PersonSerializer(source="created_by", read_only=True, allow_null=True)
    example = serializers.SerializerMethodField("row_of_edit")

    class Meta:
        model = DatasetEdit
        fields = ("kind", "position", "example", "creator", "created_at")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(allow_null=True))
    def row_of_edit(self, edit: DatasetEdit) -> Any:
        return json.loads(edit.row) if edit.row else None


class RelatedDatasetSerializer(ModelSerializer):
    change = serializers.DictField(read_only=True, allow_null=True)
    deleted = serializers.SerializerMethodField("is_deleted")

    class Meta:
        model = Dataset
        fields = ("id", "name", "version", "change", "deleted")
        read_only_fields = fields

    def is_deleted(self, dataset: Dataset) -> bool:
        return dataset.deleted_at is not None


class RelatedModelSerializer(Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    version = serializers.IntegerField()


class RelatedJobSerializer(Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.CharField()
    model = serializers.SerializerMethodField("model_of_job")

    @extend_schema_field(RelatedModelSerializer(allow_null=True))
    def model_of_job(self, job: Any) -> Any:
        model = getattr(job, "fine_tuned_model", None)
        alive = model is not None and model.deleted_at is None
        return RelatedModelSerializer(model).data if alive else None


@example(examples.LINEAGE)
class LineageSerializer(Serializer):
    """From conversations to models, one step in both directions. Of many jobs the newest 100 are shown."""

    conversations = serializers.IntegerField(help_text="How many the examples come from.")
    total_examples = serializers.IntegerField(source="dataset.total_examples")
    sources = RelatedDatasetSerializer(many=True)
    version = RelatedDatasetSerializer(source="dataset")
    derived = RelatedDatasetSerializer(many=True)
    jobs = RelatedJobSerializer(many=True)
