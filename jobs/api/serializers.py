"""Jobs as JSON."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, extend_schema_field
from rest_framework import serializers

from datasets.models import Dataset
from finetuning.api.examples import example
from finetuning.api.fields import NumberField, OwnedRelatedField
from finetuning.api.serializers import (
    ModelSerializer,
    PersonSerializer,
    QuerySerializer,
    Serializer,
    StrictSerializer,
)
from jobs import planning
from jobs.api import examples
from jobs.models import Job, JobEvent
from jobs.states import Status

STATUSES = [status.value for status in Status]
METHODS = ["supervised", "dpo", "reinforcement"]
EFFORTS = ["default", "low", "medium", "high"]


class JobDatasetSerializer(ModelSerializer):
    class Meta:
        model = Dataset
        fields = ("id", "name", "total_examples")
        read_only_fields = fields


class EvidenceSerializer(Serializer):
    """An example of the dataset and the line of its file on which it starts, both counted from 1."""

    example = serializers.IntegerField()
    line = serializers.IntegerField()


class FailureSerializer(Serializer):
    """Why a job failed, which lines of its dataset are the reason, and what to do next."""

    cause = serializers.CharField()
    next_step = serializers.CharField()
    evidence = EvidenceSerializer(many=True)


@example(examples.JOB)
class JobSerializer(ModelSerializer):
    dataset = JobDatasetSerializer()
    provider = serializers.CharField(source="provider_account.name")
    result_model_id = serializers.SerializerMethodField("model_id")
    creator = PersonSerializer(source="created_by", allow_null=True)
    failure = serializers.SerializerMethodField("why")
    estimate_error = serializers.FloatField(
        allow_null=True, help_text="By what share more tokens were trained than estimated; negative: fewer."
    )

    class Meta:
        model = Job
        fields = (
            *("id", "organization_id", "workspace_id", "dataset_id", "dataset", "name", "description"),
            *("base_model", "provider", "provider_job_id", "method", "hyperparameters", "validation_split"),
            *("parent_model_id", "start_model", "metadata"),
            *("suffix", "seed", "status", "progress_percentage", "current_epoch", "total_epochs"),
            *("trained_tokens", "training_loss", "validation_loss", "result_model_id", "estimated_cost_usd"),
            *("estimated_low_usd", "estimated_high_usd", "estimated_tokens", "estimate_error"),
            *("actual_cost_usd", "error_code", "error_message", "failure", "retried_from_id", "queued_at"),
            *("started_at", "completed_at", "cancelled_at"),
            *("estimated_finish_at", "creator", "created_at", "updated_at"),
        )
        read_only_fields = fields

    def model_id(self, job: Job) -> str | None:
        model = getattr(job, "fine_tuned_model", None)
        return str(model.pk) if model else None

    @extend_schema_field(FailureSerializer(allow_null=True))
    def why(self, job: Job) -> dict[str, Any] | None:
        if not (advice := job.advice):
            return None
        return {"cause": advice.cause, "nextStep": advice.next_step, "evidence": job.error_evidence}


class CheckpointSerializer(Serializer):
    """A model that the provider kept on the way; `metrics` are in the provider's words."""

    id = serializers.CharField()
    model_id = serializers.CharField()
    step = serializers.IntegerField(allow_null=True)
    metrics = serializers.DictField(child=serializers.FloatField())


@example({"checkpoint": examples.CHECKPOINT["modelId"]})
class UseCheckpointSerializer(Serializer):
    checkpoint = serializers.CharField(
        max_length=300, help_text="The `modelId` of one of the job's checkpoints."
    )


@example(
    examples.JOB
    | {"grader": {}, "queuedLongerThanUsual": False, "paused": False, "checkpoints": [examples.CHECKPOINT]}
)
class JobDetailSerializer(JobSerializer):
    """A job with what is too large for a list, or takes more than its own row to say."""

    queued_longer_than_usual = serializers.BooleanField(
        source="waits_unusually_long",
        help_text="Longer than 95 % of the organization's jobs; false where fewer than 20 are known.",
    )

    paused = serializers.BooleanField(source="is_paused")
    checkpoints = CheckpointSerializer(many=True)

    class Meta(JobSerializer.Meta):
        fields = (*JobSerializer.Meta.fields, "grader", "queued_longer_than_usual", "paused", "checkpoints")
        read_only_fields = fields


class AutoNumberField(NumberField):
    """A number, or `auto` to let the provider choose."""

    def to_internal_value(self, data: Any) -> Any:
        return data if data == "auto" else super().to_internal_value(data)

    def run_validators(self, value: Any) -> None:
        if value != "auto":
            super().run_validators(value)


class AutoIntegerField(AutoNumberField):
    default_error_messages = {"invalid": "Give a whole number, or auto."}

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if value != "auto" and not value.is_integer():
            self.fail("invalid")
        return value if value == "auto" else int(value)


class AutoNumberSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = AutoNumberField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        kind = "integer" if isinstance(self.target, AutoIntegerField) else "number"
        limits = {"minimum": self.target.min_value, "maximum": self.target.max_value}
        return {"oneOf": [{"type": kind, **limits}, {"const": "auto"}]}


class HyperparametersSerializer(StrictSerializer):
    """The provider's own words, therefore not in camelCase. What is left out is `auto`."""

    n_epochs = AutoIntegerField(min_value=1, max_value=50, required=False)
    batch_size = AutoIntegerField(min_value=1, max_value=256, required=False)
    learning_rate_multiplier = AutoNumberField(min_value=0.000001, max_value=1_000, required=False)
    beta = AutoNumberField(min_value=0.000001, max_value=2, required=False)
    reasoning_effort = serializers.ChoiceField(choices=EFFORTS, required=False)
    compute_multiplier = AutoNumberField(min_value=0.00002, max_value=10, required=False)
    eval_interval = AutoIntegerField(min_value=1, max_value=10_000, required=False)
    eval_samples = AutoIntegerField(min_value=1, max_value=10_000, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values: dict[str, Any] = super().to_internal_value(data)
        return {name: value for name, value in values.items() if value != "auto"}


@example(examples.CREATE)
class CreateJobSerializer(Serializer):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    dataset_id = OwnedRelatedField(relation="datasets", source="dataset")
    base_model = serializers.CharField(
        max_length=300,
        help_text="Also a tuned model or checkpoint, by its id, its name or its id at the provider.",
    )
    provider = serializers.CharField(max_length=50, required=False)
    workspace_id = OwnedRelatedField(
        relation="workspaces", source="workspace", required=False, allow_null=True
    )
    hyperparameters = HyperparametersSerializer(required=False)
    method = serializers.ChoiceField(choices=METHODS, required=False)
    validation_split = NumberField(min_value=0, max_value=0.5, required=False)
    suffix = serializers.CharField(max_length=64, required=False, allow_blank=True)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
    metadata = serializers.DictField(
        child=serializers.CharField(max_length=planning.MAX_METADATA_VALUE),
        required=False,
        help_text=f"Up to {planning.MAX_METADATA} short texts that go to the provider with the run. Names "
        "with `ft_` are ours.",
    )
    grader = serializers.DictField(
        required=False,
        help_text="What scores the answers in reinforcement, in OpenAI's words.",
    )
    retried_from_id = OwnedRelatedField(
        relation="jobs", source="retried_from", required=False, allow_null=True
    )


class JobFilterSerializer(QuerySerializer):
    status = serializers.ChoiceField(choices=STATUSES, required=False)
    dataset_id = OwnedRelatedField(relation="datasets", required=False)
    workspace_id = OwnedRelatedField(relation="workspaces", required=False)


class JobStatsFilterSerializer(QuerySerializer):
    workspace_id = OwnedRelatedField(relation="workspaces", source="workspace", required=False)


class EstimateHistorySerializer(Serializer):
    """`medianError` is a share of the estimated tokens, either way; `costUnknown` counts unknown prices.

    `withinRange` is how many of the `costCompared` jobs, whose cost and range are known, kept within it.
    """

    jobs = serializers.IntegerField()
    median_error = serializers.FloatField(allow_null=True)
    cost_compared = serializers.IntegerField()
    within_range = serializers.IntegerField()
    cost_unknown = serializers.IntegerField()


@example(examples.STATS)
class JobStatsSerializer(Serializer):
    total_jobs = serializers.IntegerField()
    active_jobs = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    spent_usd = serializers.DecimalField(max_digits=14, decimal_places=2)
    success_rate = serializers.FloatField(allow_null=True)
    median_duration_seconds = serializers.FloatField(allow_null=True)
    estimates = EstimateHistorySerializer()


@example(examples.ESTIMATE)
class EstimateSerializer(Serializer):
    dataset_id = OwnedRelatedField(relation="datasets", source="dataset")
    base_model = serializers.CharField(max_length=300)
    provider = serializers.CharField(max_length=50, required=False)
    epochs = serializers.IntegerField(min_value=1, max_value=50, required=False, allow_null=True)
    validation_split = NumberField(min_value=0, max_value=0.5, required=False)


class BreakdownSerializer(Serializer):
    training_cost = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    validation_cost = serializers.DecimalField(max_digits=12, decimal_places=2)


@example(examples.COST)
class CostEstimateSerializer(Serializer):
    """`trainingTokens` are those that are billed; a price that is not known is null, not 0.

    The cost is expected from `lowUsd` to `highUsd`: how many tokens and epochs the provider will count is
    not published in every detail.
    """

    estimated_cost_usd = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    low_usd = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    high_usd = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    total_tokens = serializers.IntegerField()
    training_tokens = serializers.IntegerField()
    validation_tokens = serializers.IntegerField()
    epochs = serializers.IntegerField()
    base_model = serializers.CharField()
    breakdown = BreakdownSerializer()
    price_as_of = serializers.DateField(allow_null=True)
    price_source = serializers.URLField(allow_null=True)


@example(examples.EVENT)
class JobEventSerializer(ModelSerializer):
    class Meta:
        model = JobEvent
        fields = ("id", "job_id", "event_type", "message", "metadata", "created_at")
        read_only_fields = fields
