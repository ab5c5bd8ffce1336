"""The one door to the readers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, Any

from datasets.conversation_files import (
    MAX_MESSAGES,
    MAX_NAME,
    MAX_TAG,
    MAX_TAGS,
    Kind,
    NotAConversation,
    Object,
    Talk,
    chatgpt,
    langfuse,
    langsmith,
    openai,
    sharegpt,
)
from datasets.conversation_files.elements import Element, elements_of
from datasets.formats import Format
from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from datasets.validation import digest
from finetuning.strict_json import shown

_READERS: dict[Kind, Callable[[Object], Talk]] = {
    "openai": openai.talk_of,
    "chatgpt": chatgpt.talk_of,
    "sharegpt": sharegpt.talk_of,
    "langfuse": langfuse.talk_of,
    "langsmith": langsmith.talk_of,
}
# The first kind whose marks an element has, each mark one of several fields.
_MARKS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "chatgpt": (("mapping",), ("current_node",)),
    "sharegpt": (("conversations",),),
    "langsmith": (("inputs",), ("outputs", "run_type")),
    "langfuse": (("input",), ("output", "traceId", "trace_id")),
    "openai": (("choices", "messages", "input"),),
}


def kind_of(file: IO[bytes], format: Format) -> Kind | None:
    """Which export the file is, by its first element; None for none that is known. Rewinds it."""
    file.seek(0)
    first = next((one.value for one in elements_of(file, format) if isinstance(one, Element)), {})
    file.seek(0)
    return next((kind for kind, marks in _MARKS.items() if all(_has(first, mark) for mark in marks)), None)


def _has(element: Object, names: tuple[str, ...]) -> bool:
    return any(name in element for name in names)


def read_talks(file: IO[bytes], format: Format, kind: Kind) -> Iterator[Talk | Problem]:
    """The conversations of the file in their order, and what is wrong with the other elements.

    Behind one of which something was left out comes a warning.
    """
    for element in elements_of(file, format):
        if isinstance(element, Problem):
            yield element
            continue
        try:
            talk = _checked(_READERS[kind](element.value))
        except NotAConversation as refusal:
            yield _refused(refusal, element)
            continue
        yield replace(talk, line=element.line)
        if talk.left_out:
            yield _left_out(talk, element)


def _refused(refusal: NotAConversation, element: Element) -> Problem:
    return Problem(
        code="not_a_conversation",
        line=element.line,
        pointer=f"{element.pointer}{refusal.pointer}"[:MAX_POINTER_CHARACTERS],
        message=refusal.message,
        found=refusal.found,
        expected=refusal.expected,
        fix="Correct it, or say which kind of export the file is.",
    )


def _left_out(talk: Talk, element: Element) -> Problem:
    return Problem(
        code="left_out",
        severity="warning",
        line=element.line,
        pointer=element.pointer,
        message="The conversation was taken without what it has no place for.",
        found=shown(", ".join(talk.left_out), length=300),
    )


def _checked(talk: Talk) -> Talk:
    """The talk as it can be kept. Raises NotAConversation."""
    _check_messages(talk.messages)
    for name in ("external_id", "agent_id", "model"):
        _check_name(name, getattr(talk, name))
    kept = tuple(tag for tag in talk.tags if 0 < len(tag) <= MAX_TAG)[:MAX_TAGS]
    lost = [f"the tag {shown(tag, length=40)}" for tag in talk.tags if tag not in kept]
    return replace(
        talk,
        external_id=talk.external_id or f"sha256:{digest(talk.messages).hex()}",
        tags=kept,
        left_out=(*talk.left_out, *lost),
    )


def _check_name(name: str, value: str) -> None:
    if len(value) > MAX_NAME:
        words = name.replace("_", " ")
        raise NotAConversation(
            f"The {words} is too long.", found=shown(value), expected=f"At most {MAX_NAME} characters"
        )


def _check_messages(messages: list[Any]) -> None:
    if not 0 < len(messages) <= MAX_MESSAGES:
        raise NotAConversation(
            "There are no messages, or too many.",
            found=f"{len(messages):,}",
            expected=f"1 to {MAX_MESSAGES:,} messages",
        )
    for number, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or not role:
            raise NotAConversation(
                f"Message {number + 1} does not say who speaks.", found=shown(message), expected="A role"
            )
