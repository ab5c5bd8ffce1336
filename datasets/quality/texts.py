"""Where the words of a row are."""

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]


def messages_of(row: Row) -> list[Mapping[str, Any]]:
    """All messages of a valid row of any kind; of a preference pair the prompt and both answers."""
    if "messages" in row:
        return list(row["messages"])
    return [*row["input"]["messages"], *row["preferred_output"], *row["non_preferred_output"]]


def text_of(message: Mapping[str, Any]) -> str:
    """What a message says in words: its text, or its text parts one below the other."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part["type"] == "text")


def texts_of(row: Row) -> list[str]:
    """What each message says, arguments of calls included."""
    return ["\n".join([text_of(message), *_arguments(message)]) for message in messages_of(row)]


def _arguments(message: Mapping[str, Any]) -> Iterator[str]:
    if message.get("function_call"):
        yield message["function_call"]["arguments"]
    for call in message.get("tool_calls") or ():
        yield call["function"]["arguments"]
