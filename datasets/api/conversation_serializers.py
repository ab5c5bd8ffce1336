"""The JSON of conversations."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from datasets.api import conversation_examples as examples
from datasets.api.fields import TagsField
from datasets.conversation_files import KINDS, MAX_MESSAGES
from datasets.models import Conversation, DatasetProblem
from finetuning.api.examples import example
from finetuning.api.fields import NumberField, OwnedRelatedField, TimeField
from finetuning.api.serializers import ModelSerializer, QuerySerializer, Serializer

EXPORT_KINDS = list(KINDS.items())
# Characters.
MAX_ANSWER = 100_000


class ConversationFilters(QuerySerializer):
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)
    agent_id = serializers.CharField(max_length=200, required=False)
    external_id = serializers.CharField(max_length=200, required=False)


@extend_schema_field(
    {
        "type": "object",
        "required": ["role"],
        "properties": {"role": {"type": "string"}},
        "additionalProperties": True,
    }
)
class MessageField(serializers.DictField):
    """A message of the chat API."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        message: dict[str, Any] = super().to_internal_value(data)
        if not isinstance(message.get("role"), str):
            needed = ErrorDetail("Each message needs a `role`, such as `user`.", code="role")
            raise serializers.ValidationError({"role": [needed]})
        return message


@example(examples.RECORD)
class RecordConversationSerializer(Serializer):
    external_id = serializers.CharField(max_length=200, required=False)
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)
    agent_id = serializers.CharField(max_length=200, required=False)
    model = serializers.CharField(max_length=200, required=False)
    tags = TagsField(required=False)
    messages = serializers.ListField(
        child=MessageField(), min_length=1, max_length=MAX_MESSAGES, help_text="As the chat API has them."
    )
    quality_score = NumberField(min_value=0, max_value=1, required=False)
    occurred_at = TimeField(required=False)


@example(examples.EXPORT)
class ConversationFileSerializer(Serializer):
    """What another system exported."""

    file = serializers.FileField(
        help_text="JSON, JSONL, CSV or Parquet; at most 100 MB.", allow_empty_file=True, required=False
    )
    kind = serializers.ChoiceField(
        choices=EXPORT_KINDS, required=False, help_text="Found out from the file when left out."
    )
    agent_id = serializers.CharField(
        max_length=200, required=False, help_text="For conversations whose file names no agent."
    )
    workspace_id = OwnedRelatedField(source="workspace", relation="workspaces", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The file itself comes from the request, where its size has been watched."""
        return {name: value for name, value in attrs.items() if name != "file"}


class ExportProblemSerializer(Serializer):
    """A warning is about a conversation that was imported; `found` says what it has no place for."""

    code = serializers.CharField()
    severity = serializers.ChoiceField(choices=DatasetProblem.Severity.choices)
    line = serializers.IntegerField(allow_null=True)
    pointer = serializers.CharField()
    message = serializers.CharField()
    found = serializers.CharField()
    expected = serializers.CharField()
    fix = serializers.CharField()


@example(examples.RECORDED)
class RecordedSerializer(Serializer):
    """What became of each element of the file. `problems` has the first 100 of `problemCount`."""

    kind = serializers.ChoiceField(choices=EXPORT_KINDS)
    imported = serializers.IntegerField(help_text="New conversations.")
    repeated = serializers.IntegerField(help_text="Known by their id, and left as they were.")
    refused = serializers.IntegerField(help_text="No conversation; `problems` say why.")
    problem_count = serializers.IntegerField()
    problems = ExportProblemSerializer(many=True)


@example(examples.FEEDBACK)
class FeedbackSerializer(Serializer):
    score = NumberField(
        source="quality_score",
        min_value=0,
        max_value=1,
        required=False,
        help_text="How good the last answer is, from 0 to 1.",
    )
    thumb = serializers.ChoiceField(
        choices=["up", "down"], required=False, help_text="Instead of a score: up is 1, down is 0."
    )
    corrected_answer = serializers.CharField(
        max_length=MAX_ANSWER,
        allow_blank=True,
        required=False,
        help_text="What should have been answered, which takes the last answer's place in training examples. "
        "Empty: the answer stands.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            message = "Give a score, a thumb or a corrected answer."
            raise serializers.ValidationError(message, code="feedback_missing")
        if "thumb" in attrs:
            if "quality_score" in attrs:
                twice = ErrorDetail("Give a score or a thumb, not both.", code="score_and_thumb")
                raise serializers.ValidationError({"thumb": [twice]})
            attrs["quality_score"] = float(attrs.pop("thumb") == "up")
        return attrs


@example(examples.CONVERSATION)
class ConversationSerializer(ModelSerializer):
    workspace_id = serializers.UUIDField(read_only=True, allow_null=True)
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    messages = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = Conversation
        fields = (
            *("id", "external_id", "workspace_id", "agent_id", "model", "tags", "messages", "quality_score"),
            *("corrected_answer", "occurred_at", "created_at"),
        )
        read_only_fields = fields
