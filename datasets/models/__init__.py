"""Training data: datasets, their examples and problems, and recorded conversations.

A package by topic; Django looks for an app's models in this module, so it names them all.
"""

from datasets.models.conversations import Conversation, ConversationManager, ConversationQuerySet
from datasets.models.datasets import Dataset, DatasetManager, DatasetQuerySet
from datasets.models.examples import (
    LONG_EXAMPLE_TOKENS,
    DatasetProblem,
    TrainingExample,
    TrainingExampleQuerySet,
)
from datasets.models.ranges import DatasetRange, DatasetRangeQuerySet
from datasets.models.versions import DatasetChange, DatasetEdit, DatasetEditQuerySet

__all__ = [
    "LONG_EXAMPLE_TOKENS",
    "Conversation",
    "ConversationManager",
    "ConversationQuerySet",
    "Dataset",
    "DatasetChange",
    "DatasetEdit",
    "DatasetEditQuerySet",
    "DatasetManager",
    "DatasetProblem",
    "DatasetQuerySet",
    "DatasetRange",
    "DatasetRangeQuerySet",
    "TrainingExample",
    "TrainingExampleQuerySet",
]
