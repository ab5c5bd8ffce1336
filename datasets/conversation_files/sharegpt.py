"""ShareGPT, read as for datasets (`datasets.layouts.sharegpt`).

Its ids are only unique within one file, so the content of a conversation is its id.
"""

from datasets.conversation_files import NotAConversation, Object, Talk, values
from datasets.layouts import NotInLayout
from datasets.layouts.sharegpt import convert

KNOWN = ("id", "model")


def talk_of(value: Object) -> Talk:
    """The conversation of one row. Raises NotAConversation."""
    try:
        converted = convert(value)
    except NotInLayout as refusal:
        raise NotAConversation(
            refusal.message, pointer=refusal.pointer, found=refusal.found, expected=refusal.expected
        ) from refusal
    messages = converted.value["messages"]
    unused = dict.fromkeys(name for name in converted.unused if name not in KNOWN)
    return Talk(
        messages=list(messages) if isinstance(messages, list) else [],
        model=values.text(value.get("model")),
        left_out=(
            *(["`tools`"] if "tools" in converted.value else []),
            *(f"`{name}`" for name in unused),
        ),
    )
