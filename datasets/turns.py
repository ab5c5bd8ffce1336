"""An example as a conversation to look at."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets.harmless import harmless, harmless_json
from datasets.models import Dataset, DatasetProblem, TrainingExample
from datasets.previews import PreviewedRow
from datasets.tally import split_row
from finetuning.strict_json import shown

# A page shows twenty examples, and a single message may have megabytes.
SHOWN_CHARACTERS = 4_000
SHOWN_TURNS = 40
# Of a conversation on a page of its own.
SHOWN_MESSAGES = 500
SHOWN_OPENING = 200
SHOWN_NAME = 80

Message = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one side said: the look (`user`, `assistant`, `system`, `tool`), who it was, and the words."""

    look: str
    speaker: str
    text: str
    hidden_characters: int = 0


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example cut down to what a page shows. `number` counts from 1, `position` from 0."""

    number: int
    position: int
    place: str
    token_count: int
    tools: list[str]
    turns: list[Turn]
    hidden_turns: int


def shown_example(example: TrainingExample) -> Example:
    """The example with its first turns, and of a preference pair both answers."""
    turns = shown_messages(example.messages[:SHOWN_TURNS])
    return Example(
        number=example.position + 1,
        position=example.position,
        place=example.place,
        token_count=example.token_count,
        tools=list(_tool_names(example.attributes)),
        turns=[*turns, *_answers(example.attributes)],
        hidden_turns=max(0, len(example.messages) - SHOWN_TURNS),
    )


def shown_messages(messages: Sequence[Message]) -> list[Turn]:
    """The first messages of a conversation, also of one that nobody has checked."""
    return [_turn(message) for message in messages[:SHOWN_MESSAGES]]


def shown_opening(messages: Sequence[Message]) -> str:
    """What the user said first; else what was said first."""
    asked = next((message for message in messages if message.get("role") == "user"), None)
    return _turn(asked or messages[0]).text[:SHOWN_OPENING] if messages else ""


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row of a preview: the conversation that it becomes, or what stands in it, and its problems."""

    place: str
    accepted: bool
    token_count: int
    turns: list[Turn]
    text: str
    problems: list[DatasetProblem]


def shown_row(row: PreviewedRow) -> ShownRow:
    """The row of a preview, cut down to what a page shows."""
    example = shown_example(_example(row.row)) if row.accepted and isinstance(row.row, dict) else None
    return ShownRow(
        place=row.place,
        accepted=row.accepted,
        token_count=row.token_count,
        turns=example.turns if example else [],
        text="" if example or row.row is None else shown(harmless_json(row.row), length=SHOWN_CHARACTERS),
        problems=row.problems,
    )


def _example(row: dict[str, Any]) -> TrainingExample:
    messages, attributes = split_row(row)
    return TrainingExample(
        dataset=Dataset(), position=0, line=0, token_count=0, messages=messages, attributes=attributes
    )


def _turn(message: Message, *, note: str = "") -> Turn:
    role = _role(message)
    text = harmless("\n".join(_texts(message)))
    notes = [note, "not trained on" if message.get("weight") == 0 else ""]
    speaker = ", ".join([_speaker(message), *filter(None, notes)])
    return Turn(
        look="tool" if role == "function" else role,
        speaker=speaker,
        text=text[:SHOWN_CHARACTERS],
        hidden_characters=max(0, len(text) - SHOWN_CHARACTERS),
    )


def _role(message: Message) -> str:
    return harmless(str(message.get("role")))[:SHOWN_NAME]


def _speaker(message: Message) -> str:
    role = _role(message).capitalize()
    return f"{role} {harmless(str(message['name']))[:SHOWN_NAME]}" if message.get("name") else role


def _texts(message: Message) -> Iterator[str]:
    """Everything that a message says: text, parts of text, refusals, calls of tools and functions."""
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, dict):
            yield _text(part.get("text") or f"[{part.get('type', 'part')}]")
        elif part is not None:
            yield _text(part)
    if message.get("refusal"):
        yield _text(message["refusal"])
    if message.get("function_call"):
        yield _call(message["function_call"])
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield _call(call.get("function", call) if isinstance(call, dict) else call)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _call(function: object) -> str:
    if isinstance(function, dict) and "name" in function:
        return f"{_text(function['name'])}({_text(function.get('arguments', ''))})"
    return _text(function)


def _answers(attributes: Mapping[str, Any]) -> Iterator[Turn]:
    for key, note in (("preferred_output", "preferred"), ("non_preferred_output", "not preferred")):
        for message in attributes.get(key, ()):
            yield _turn(message, note=note)


def _tool_names(attributes: Mapping[str, Any]) -> Iterator[str]:
    prompt = attributes.get("input", {})
    for tool in attributes.get("tools") or prompt.get("tools") or ():
        yield tool.get("function", {}).get("name") or json.dumps(tool)[:80]
    for function in attributes.get("functions") or ():
        yield function["name"]
