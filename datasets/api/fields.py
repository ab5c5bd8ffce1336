"""Fields that the input of datasets and of conversations shares."""

from typing import Any

from rest_framework import serializers

from datasets.conversation_files import MAX_TAG, MAX_TAGS


class TagsField(serializers.ListField):
    """Words by which a conversation is found again."""

    child = serializers.CharField(max_length=MAX_TAG)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TAGS, **kwargs)
