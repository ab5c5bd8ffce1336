"""Conversations as other systems export them.

`reading.read_talks` takes a file apart in bounded memory and gives each conversation as a `Talk`. There is a
module for each kind of export, whose `talk_of` makes a Talk of one element of the file, or raises
NotAConversation with the place in that element.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["openai", "chatgpt", "sharegpt", "langfuse", "langsmith"]
Object = Mapping[str, Any]
Message = dict[str, Any]

# Each with its name for people.
KINDS: Mapping[Kind, str] = {
    "openai": "OpenAI stored completions",
    "chatgpt": "ChatGPT export",
    "sharegpt": "ShareGPT",
    "langfuse": "Langfuse export",
    "langsmith": "LangSmith export",
}
# Characters of a name or an id, and of a tag.
MAX_NAME = 200
MAX_TAG = 100
MAX_TAGS = 50
MAX_MESSAGES = 2048


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One conversation. `messages` are those of the chat API, and none is dropped without a word: `left_out`
    says in words what an export has and a conversation has no place for.

    Without an `external_id` its content is its id. `occurred_at` has a time zone.
    """

    messages: list[Message]
    external_id: str = ""
    agent_id: str = ""
    model: str = ""
    occurred_at: datetime | None = None
    quality_score: float | None = None
    tags: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    line: int = 0


class NotAConversation(Exception):
    """An element of which no conversation can be made. `pointer` is a JSON pointer into it."""

    def __init__(self, message: str, *, pointer: str = "", found: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.found = found
        self.expected = expected
