"""Langfuse's exports of traces and of generations: from its pages, its API or to a storage. Names differ
in camelCase and snake_case only. In a table, and sometimes elsewhere, JSON stands as text.
"""

from typing import Any

from datasets.conversation_files import NotAConversation, Object, Talk, values
from datasets.conversation_files.messages import conversation
from finetuning.strict_json import shown

# Other observations (spans, tools, retrievers) are asked and answer, too, but nobody talks.
TALKING = ("GENERATION", "AGENT")


def talk_of(value: Object) -> Talk:
    """The conversation of one trace or generation. Raises NotAConversation."""
    row = {name.replace("_", "").lower(): values.unpacked(one) for name, one in value.items()}
    if "type" in row and row["type"] not in TALKING:
        raise NotAConversation(
            "An observation of this type is no conversation.",
            pointer="/type",
            found=shown(row["type"]),
            expected=" or ".join(TALKING),
        )
    score, left_out = values.mean(_scores(row.get("scores")))
    when = row.get("starttime") or row.get("timestamp")
    is_trace = "traceid" not in row
    return Talk(
        messages=conversation(row.get("input"), row.get("output"), at=("/input", "/output")),
        external_id=values.text(row.get("id")),
        agent_id=values.text(row.get("name") if is_trace else row.get("tracename")),
        model=values.text(row.get("providedmodelname") or row.get("model")),
        occurred_at=values.moment(when),
        quality_score=score,
        tags=values.tags(row.get("tags") or row.get("tracetags")),
        left_out=(*left_out, *values.declared(row.get("input")), *values.unread_time(when)),
    )


def _scores(found: object) -> dict[str, Any]:
    """By name; of those with the same name the last. Ids alone, as a list of traces has them, say nothing."""
    if isinstance(found, dict):
        return found
    scores = [score for score in found if isinstance(score, dict)] if isinstance(found, list) else []
    return {str(score.get("name")): score.get("value") for score in scores}
