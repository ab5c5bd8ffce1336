"""What becomes of what Langfuse and LangSmith have recorded."""

import json

import pytest

from datasets.conversation_files import Talk
from tests.datasets.conversations.exports import ANSWERED, ASKED, CALL, SYSTEM, array, generation, lang, run
from tests.datasets.conversations.readings import FIRST_OF_MARCH, read, refusal, talk_of


def test_reads_generations_of_langfuse():
    assert talk_of(generation(), "langfuse") == Talk(
        messages=[ASKED, ANSWERED],
        external_id="generation-1",
        agent_id="support",
        model="gpt-4.1-mini",
        occurred_at=FIRST_OF_MARCH,
        quality_score=0.75,
        tags=("billing", "de"),
        line=2,
    )


def test_reads_what_langfuse_writes_to_a_storage():
    row = {
        "id": "o1",
        "trace_id": "t1",
        "trace_name": "support",
        "type": "GENERATION",
        "start_time": "2026-03-01 00:00:00.000000",
        "provided_model_name": "gpt-4.1-mini",
        "input": json.dumps({"messages": [SYSTEM, ASKED]}),
        "output": json.dumps(ANSWERED),
        "tags": ["de"],
    }

    talk = talk_of(row, "langfuse")

    assert talk.messages == [SYSTEM, ASKED, ANSWERED]
    assert (talk.agent_id, talk.model, talk.occurred_at, talk.tags) == (
        "support",
        "gpt-4.1-mini",
        FIRST_OF_MARCH,
        ("de",),
    )


def test_reads_traces_of_langfuse():
    trace = {"id": "t1", "name": "support", "timestamp": "2026-03-01T01:00:00+01:00"}
    trace |= {"input": {"question": ASKED["content"]}, "output": ANSWERED["content"], "scores": ["id-1"]}

    talk = talk_of(trace, "langfuse")

    assert (talk.messages, talk.agent_id, talk.occurred_at) == ([ASKED, ANSWERED], "support", FIRST_OF_MARCH)


def test_says_which_scores_it_leaves_out():
    scores = [{"name": "stars", "value": 4}, {"name": "mood", "value": "good"}, {"name": "ok", "value": True}]

    (talk,), (problem,) = read(array(generation(scores=scores)), "langfuse")

    assert talk.quality_score == 1
    assert problem.found == "the score stars of 4, the score mood of good"


def test_refuses_observations_in_which_nobody_talks():
    assert refusal(generation(type="RETRIEVER"), "langfuse").pointer == "/type"
    assert refusal(run(run_type="tool"), "langsmith").pointer == "/run_type"


def test_reads_runs_of_langsmith():
    assert talk_of(run(), "langsmith") == Talk(
        messages=[ASKED, ANSWERED],
        external_id="run-1",
        model="gpt-4.1-mini",
        occurred_at=FIRST_OF_MARCH,
        quality_score=0.5,
        tags=("billing", "de"),
        line=2,
    )


RUNS = {
    "the vendor's client": ({"messages": [ASKED]}, {"id": "x", "choices": [{"message": ANSWERED}]}),
    "a message": ({"messages": [ASKED]}, ANSWERED),
    "plain messages": ({"messages": [{"type": "human", **ASKED}]}, {"messages": [ANSWERED]}),
    "messages as data": (
        [{"type": "human", "data": {"content": ASKED["content"]}}],
        {"output": {"type": "ai", "data": {"content": ANSWERED["content"]}}},
    ),
    "a chain": ({"input": ASKED["content"], "history": []}, {"output": ANSWERED["content"]}),
    "names of one's own": ({"frage": ASKED["content"]}, {"antwort": ANSWERED["content"]}),
    "a graph that repeats all": ({"messages": [ASKED]}, {"messages": [ASKED, ANSWERED]}),
    "only new messages": ({"messages": [ASKED]}, {"messages": [ANSWERED]}),
    "a model of texts": ({"prompts": ASKED["content"]}, {"generations": [[{"text": ANSWERED["content"]}]]}),
    "JSON as text": (json.dumps({"messages": [ASKED]}), json.dumps({"message": ANSWERED})),
}


@pytest.mark.parametrize(("inputs", "outputs"), RUNS.values(), ids=RUNS)
def test_reads_what_runs_are_asked_and_answer(inputs, outputs):
    value = run(run_type="chain", inputs=inputs, outputs=outputs)

    assert talk_of(value, "langsmith").messages == [ASKED, ANSWERED]


def test_reads_tool_calls_of_langchain():
    called = lang("AIMessage", "", tool_calls=[{"name": "find", "args": {"order": 7}, "id": "call_1"}])
    vendor = lang("AIMessageChunk", "", additional_kwargs={"tool_calls": [{**CALL, "index": 0}]})
    seen = lang("ToolMessage", "Monday", tool_call_id="call_1")
    asked = lang("HumanMessage", ASKED["content"])

    for call in (called, vendor):
        talk = talk_of(
            run(inputs={"messages": [[lang("SystemMessage", "Be brief."), asked, call, seen]]}), "langsmith"
        )
        assert talk.messages == [
            SYSTEM,
            ASKED,
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "Monday", "tool_call_id": "call_1"},
            ANSWERED,
        ]


REFUSED_RUNS = {
    "no answer": ({"outputs": None}, "/outputs"),
    "an answer without words": ({"outputs": {"choices": []}}, "/outputs"),
    "no question": ({"inputs": {}}, "/inputs"),
    "several prompts at once": ({"inputs": {"messages": [[ASKED], [ASKED]]}}, "/inputs/messages/0"),
    "something that is no message": ({"inputs": {"messages": [ASKED, 7]}}, "/inputs/messages/1"),
    "no messages": ({"inputs": {"input": {"messages": [[]]}}}, "/inputs/input/messages/0"),
}


@pytest.mark.parametrize(("fields", "pointer"), REFUSED_RUNS.values(), ids=REFUSED_RUNS)
def test_says_where_a_run_is_no_conversation(fields, pointer):
    assert refusal(run(**fields), "langsmith").pointer == pointer
