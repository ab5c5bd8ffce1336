"""OpenAI's stored completions: `GET /v1/chat/completions`, each with the messages that it answered.

The list does not hold these, so whoever exports it puts what
`client.chat.completions.messages.list(completion.id)` gives beside each as `messages`.
"""

from datasets.conversation_files import NotAConversation, Object, Talk, values
from datasets.conversation_files.messages import message_of, question, unknown_fields


def talk_of(value: Object) -> Talk:
    """The conversation of one completion. Raises NotAConversation."""
    choices = value.get("choices")
    choices = choices if isinstance(choices, list) else []
    asked = _asked(value)
    messages = question(asked, at="/messages" if "messages" in value else "/input")
    answered = [
        choice["message"]
        for choice in choices
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict)
    ]
    if answered:
        answer = message_of({"role": "assistant", **answered[0]})
        messages += [] if messages[-1] == answer else [answer]
    return Talk(
        messages=messages,
        external_id=values.text(value.get("id")),
        model=values.text(value.get("model")),
        occurred_at=values.moment(value.get("created")),
        tags=values.pairs(value.get("metadata")),
        left_out=(
            *values.declared(value),
            *(f"`{name}` of a message" for name in dict.fromkeys(unknown_fields([*asked, *answered[:1]]))),
            *([f"{len(choices) - 1} more answers"] if len(choices) > 1 else []),
            *values.unread_time(value.get("created")),
        ),
    )


def _asked(value: Object) -> list[object]:
    asked = value.get("messages", value.get("input"))
    if isinstance(asked, dict):
        asked = asked.get("data")
    if not isinstance(asked, list):
        raise NotAConversation(
            "The completion has no `messages`: the list of stored completions leaves them out.",
            pointer="/messages",
            expected="What client.chat.completions.messages.list(id) gives",
        )
    return asked
