"""ChatGPT's export of a user's data: `conversations.json`.

Each conversation is a tree, as a question can be changed and an answer made anew; `current_node` is the end
of the branch that its user saw last, which is the conversation here. What ChatGPT's own tools did in between,
pictures and thoughts are left out: a model could not be trained on them.
"""

from collections.abc import Iterator
from typing import Any

from datasets.conversation_files import Message, NotAConversation, Object, Talk, values
from finetuning.strict_json import shown

SIDES = ("user", "assistant", "system")
SPOKEN = ("text", "multimodal_text")


def talk_of(value: Object) -> Talk:
    """The conversation that was seen last. Raises NotAConversation."""
    said = list(_branch(value))
    spoken = [(message, text) for message in said if (text := _text(message))]
    if not spoken:
        raise NotAConversation("Nobody says anything in this conversation.", pointer="/mapping")
    return Talk(
        messages=[_message(message, text) for message, text in spoken],
        external_id=values.text(value.get("conversation_id") or value.get("id")),
        model=_model(value, [message for message, _ in spoken]),
        occurred_at=values.moment(value.get("create_time")),
        left_out=(
            *values.counted(word for message in said for word in _unspoken(message)),
            *values.unread_time(value.get("create_time")),
        ),
    )


def _branch(value: Object) -> Iterator[Object]:
    """The messages from the root to the current node."""
    nodes, name = value.get("mapping"), value.get("current_node")
    if not isinstance(nodes, dict):
        raise NotAConversation("The conversation has no tree of messages.", pointer="/mapping")
    path: dict[str, Any] = {}
    while name is not None:
        node = nodes.get(name) if isinstance(name, str) else None
        if not isinstance(node, dict) or name in path:
            raise NotAConversation(
                "The way from the last message to the first is broken.",
                pointer="/mapping" if path else "/current_node",
                found=shown(name),
                expected="The id of a node that has not come before",
            )
        path[name] = node.get("message")
        name = node.get("parent")
    if not path:
        raise NotAConversation("It does not say which message is the last.", pointer="/current_node")
    return (message for message in reversed(path.values()) if isinstance(message, dict))


def _role(message: Object) -> str:
    author = message.get("author")
    return values.text(author.get("role")) if isinstance(author, dict) else ""


def _content(message: Object) -> Object:
    content = message.get("content")
    return content if isinstance(content, dict) else {}


def _parts(message: Object) -> list[Any]:
    parts = _content(message).get("parts")
    return parts if isinstance(parts, list) else []


def _is_spoken(message: Object) -> bool:
    """Whether it is what one side says to the other, and not what ChatGPT tells itself."""
    is_to_all = message.get("recipient") in (None, "all")
    return is_to_all and _role(message) in SIDES and _content(message).get("content_type") in SPOKEN


def _text(message: Object) -> str:
    if not _is_spoken(message):
        return ""
    said = [part if isinstance(part, str) else _transcript(part) for part in _parts(message)]
    return "\n".join(part for part in said if part)


def _transcript(part: object) -> str:
    is_speech = isinstance(part, dict) and part.get("content_type") == "audio_transcription"
    return values.text(part.get("text")) if is_speech and isinstance(part, dict) else ""


def _message(message: Object, text: str) -> Message:
    return {"role": _role(message), "content": text}


def _unspoken(message: Object) -> Iterator[str]:
    """What is left out of the message, by the export's own names."""
    content_type = values.text(_content(message).get("content_type"))
    if not _is_spoken(message):
        role = _role(message)
        yield f"{content_type or 'message'} of {shown(role or 'nobody', length=40)}"
        return
    for part in _parts(message):
        if not isinstance(part, str) and not _transcript(part):
            kind = part.get("content_type") if isinstance(part, dict) else None
            yield shown(kind or part, length=40)


def _model(value: Object, messages: list[Object]) -> str:
    """The one that gave the last answer."""
    details = [message.get("metadata") for message in reversed(messages) if _role(message) == "assistant"]
    slugs = [values.text(one.get("model_slug")) for one in details if isinstance(one, dict)]
    return next(filter(None, slugs), values.text(value.get("default_model_slug")))
