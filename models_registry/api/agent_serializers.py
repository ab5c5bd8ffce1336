"""Agents and API keys as JSON."""

from typing import Any

from rest_framework import serializers

from finetuning.api.examples import CREATED_AT, MODEL_ID, ORGANIZATION_ID, UPDATED_AT, example
from finetuning.api.fields import OwnedRelatedField
from finetuning.api.serializers import ModelSerializer, Serializer
from models_registry.models import Agent, AgentSwitch, ApiKey
from models_registry.models.agents import check_name

AGENT_ID = "019367b3-2c00-7a10-8000-0000000000a1"
KEY_ID = "019367b3-2c00-7a10-8000-0000000000b1"
AGENT = {
    "id": AGENT_ID,
    "organizationId": ORGANIZATION_ID,
    "workspaceId": None,
    "name": "support-bot",
    "description": "Answers on the help desk",
    "modelId": MODEL_ID,
    "secondModelId": None,
    "secondShare": 0,
    "fallbackModelId": None,
    "fallsBackToBase": True,
    "recording": "consented",
    "recordedPercent": 10,
    "retentionDays": 90,
    "createdAt": CREATED_AT,
    "updatedAt": UPDATED_AT,
}
SWITCH = {
    "id": "019367b3-2c00-7a10-8000-0000000000a2",
    "action": "deployed",
    "modelId": MODEL_ID,
    "secondModelId": None,
    "secondShare": 0,
    "createdById": None,
    "createdAt": CREATED_AT,
}
KEY = {
    "id": KEY_ID,
    "organizationId": ORGANIZATION_ID,
    "name": "Help desk, production",
    "prefix": "at-1f0c93ab",
    "agentIds": [AGENT_ID],
    "workspaceIds": [],
    "requestsPerMinute": 600,
    "tokensPerMinute": None,
    "lastUsedAt": UPDATED_AT,
    "revokedAt": None,
    "createdAt": CREATED_AT,
}
NEW_KEY = {"name": "Help desk, production", "agentIds": [AGENT_ID], "requestsPerMinute": 600}


@example(AGENT)
class AgentSerializer(ModelSerializer):
    class Meta:
        model = Agent
        fields = (
            *("id", "organization_id", "workspace_id", "name", "description", "model_id", "second_model_id"),
            *("second_share", "fallback_model_id", "falls_back_to_base", "recording", "recorded_percent"),
            *("retention_days", "created_at", "updated_at"),
        )
        read_only_fields = fields


class AgentSettingsSerializer(Serializer):
    """What a user may set. The name is what programs send, so it never changes."""

    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    workspace_id = OwnedRelatedField(
        relation="workspaces", source="workspace", required=False, allow_null=True
    )
    fallback_model_id = OwnedRelatedField(
        relation="fine_tuned_models", source="fallback_model", required=False, allow_null=True
    )
    falls_back_to_base = serializers.BooleanField(required=False)
    recording = serializers.ChoiceField(choices=Agent.Recording.choices, required=False)
    recorded_percent = serializers.IntegerField(min_value=1, max_value=100, required=False)
    retention_days = serializers.IntegerField(min_value=1, max_value=36_500, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("falls_back_to_base") and attrs.get("fallback_model"):
            raise serializers.ValidationError({"fallbackModelId": "Choose this or the base model, not both."})
        return attrs


@example({"name": "support-bot", "description": "Answers on the help desk", "fallsBackToBase": True})
class CreateAgentSerializer(AgentSettingsSerializer):
    name = serializers.CharField(max_length=100, validators=[check_name])


@example({"fallsBackToBase": True, "recording": "consented", "recordedPercent": 10})
class UpdateAgentSerializer(AgentSettingsSerializer):
    pass


@example({"secondModelId": MODEL_ID, "secondShare": 10})
class SplitSerializer(Serializer):
    second_model_id = OwnedRelatedField(relation="fine_tuned_models", source="second_model", allow_null=True)
    second_share = serializers.IntegerField(min_value=0, max_value=100)


@example(SWITCH)
class AgentSwitchSerializer(ModelSerializer):
    class Meta:
        model = AgentSwitch
        fields = (
            "id",
            "action",
            "model_id",
            "second_model_id",
            "second_share",
            "created_by_id",
            "created_at",
        )
        read_only_fields = fields


@example(KEY)
class ApiKeySerializer(ModelSerializer):
    agent_ids: Any = serializers.PrimaryKeyRelatedField(source="agents", many=True, read_only=True)
    workspace_ids: Any = serializers.PrimaryKeyRelatedField(source="workspaces", many=True, read_only=True)

    class Meta:
        model = ApiKey
        fields = (
            *("id", "organization_id", "name", "prefix", "agent_ids", "workspace_ids"),
            *("requests_per_minute", "tokens_per_minute", "last_used_at", "revoked_at", "created_at"),
        )
        read_only_fields = fields


@example({**KEY, "lastUsedAt": None, "key": "at-1f0c93abPq3v0mX8tq9yB2nKfC7wLzR4dJ6sHgUeTi1oAbVxNpQ"})
class IssuedKeySerializer(ApiKeySerializer):
    """With the key itself, which is shown this once."""

    key = serializers.CharField()

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")
        read_only_fields = fields


@example(NEW_KEY)
class IssueKeySerializer(Serializer):
    name = serializers.CharField(max_length=200)
    agent_ids = OwnedRelatedField(relation="agents", source="agents", many=True, required=False)
    workspace_ids = OwnedRelatedField(relation="workspaces", source="workspaces", many=True, required=False)
    requests_per_minute = serializers.IntegerField(
        min_value=1, max_value=1_000_000, required=False, allow_null=True
    )
    tokens_per_minute = serializers.IntegerField(
        min_value=1, max_value=1_000_000_000, required=False, allow_null=True
    )
