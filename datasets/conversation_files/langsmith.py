"""LangSmith's runs: `inputs` and `outputs` of models, chains and graphs."""

from typing import Any

from datasets.conversation_files import NotAConversation, Object, Talk, values
from datasets.conversation_files.messages import conversation
from finetuning.strict_json import shown

# A retriever or a parser is asked and answers, too, but nobody talks.
TALKING = ("llm", "chain")


def talk_of(value: Object) -> Talk:
    """The conversation of one run. Raises NotAConversation."""
    kind = value.get("run_type", "chain")
    if kind not in TALKING:
        raise NotAConversation(
            "A run of this type is no conversation.",
            pointer="/run_type",
            found=shown(kind),
            expected=" or ".join(TALKING),
        )
    asked, answered = (values.unpacked(value.get(name)) for name in ("inputs", "outputs"))
    score, left_out = values.mean(_scores(value.get("feedback_stats")))
    when = value.get("start_time")
    return Talk(
        messages=conversation(asked, answered, at=("/inputs", "/outputs")),
        external_id=values.text(value.get("id")),
        model=_model(value),
        occurred_at=values.moment(when),
        quality_score=score,
        tags=values.tags(values.unpacked(value.get("tags"))),
        left_out=(*left_out, *values.declared(asked), *values.unread_time(when)),
    )


def _scores(feedback: object) -> dict[str, Any]:
    feedback = values.unpacked(feedback)
    found = feedback.items() if isinstance(feedback, dict) else ()
    return {name: one.get("avg") for name, one in found if isinstance(one, dict)}


def _model(value: Object) -> str:
    extra = values.unpacked(value.get("extra"))
    details = extra.get("metadata") if isinstance(extra, dict) else None
    return values.text(details.get("ls_model_name")) if isinstance(details, dict) else ""
