"""Fine-tuned models as JSON."""

from typing import Any

from rest_framework import serializers

from finetuning.api.examples import example
from finetuning.api.fields import OwnedRelatedField
from finetuning.api.serializers import ModelSerializer, QuerySerializer, Serializer
from models_registry.api import examples
from models_registry.models import FineTunedModel

CHOOSABLE_STATUSES = ["active", "deprecated"]


class ModelDatasetSerializer(Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ModelJobSerializer(Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    completed_at = serializers.DateTimeField(allow_null=True)
    dataset = ModelDatasetSerializer()


@example(examples.MODEL)
class FineTunedModelSerializer(ModelSerializer):
    job = ModelJobSerializer()
    provider = serializers.CharField(source="provider_account.name")
    total_tokens_used = serializers.IntegerField()
    average_latency_ms = serializers.FloatField(allow_null=True)

    class Meta:
        model = FineTunedModel
        fields = (
            *("id", "organization_id", "workspace_id", "job_id", "job", "name", "description", "base_model"),
            *("provider", "provider_model_id", "training_accuracy", "validation_accuracy", "final_loss"),
            *("deployed", "deployed_at", "deployment_count", "total_requests", "total_tokens_used"),
            *("average_latency_ms", "version", "parent_model_id", "status", "retires_at", "created_at"),
            *("updated_at", "archived_at"),
        )
        read_only_fields = fields


@example(examples.UPDATE)
class UpdateModelSerializer(Serializer):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    status = serializers.ChoiceField(choices=CHOOSABLE_STATUSES, required=False)


@example(examples.AGENT)
class AgentSerializer(Serializer):
    agent_id = serializers.CharField(max_length=200, required=False, allow_blank=True)


@example(examples.USAGE)
class UsageSerializer(Serializer):
    requests = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False)
    prompt_tokens = serializers.IntegerField(min_value=0, max_value=10**12)
    completion_tokens = serializers.IntegerField(min_value=0, max_value=10**12)
    latency_ms = serializers.IntegerField(min_value=0, max_value=10**12)


class ModelFilterSerializer(QuerySerializer):
    status = serializers.ChoiceField(choices=FineTunedModel.Status.choices, required=False)
    deployed = serializers.BooleanField(required=False)
    workspace_id = OwnedRelatedField(relation="workspaces", required=False)

    def to_internal_value(self, data: Any) -> Any:
        # REST framework reads a missing flag of an HTML form as false.
        values = super().to_internal_value(data)
        return {name: value for name, value in values.items() if name != "deployed" or "deployed" in data}


class ModelStatsFilterSerializer(QuerySerializer):
    workspace_id = OwnedRelatedField(relation="workspaces", source="workspace", required=False)


@example(examples.STATS)
class ModelStatsSerializer(Serializer):
    total_models = serializers.IntegerField()
    deployed_models = serializers.IntegerField()
    active_models = serializers.IntegerField()
    archived_models = serializers.IntegerField()
    total_tokens_used = serializers.IntegerField()
    total_requests = serializers.IntegerField()
    average_latency_ms = serializers.FloatField(allow_null=True)
    by_provider = serializers.DictField(child=serializers.IntegerField())
    by_base_model = serializers.DictField(child=serializers.IntegerField())
