"""An export of each kind, with two conversations: as a value, and as the file that its system writes."""

import csv
import io
import json

ASKED = {"role": "user", "content": "Where is my order?"}
ANSWERED = {"role": "assistant", "content": "It left on Monday."}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"order": 7}'}}


def completion(number=1, **fields):
    """A stored completion of OpenAI with its messages."""
    return {
        "object": "chat.completion",
        "id": f"chatcmpl-{number}",
        "model": "gpt-4.1-mini-2025-04-14",
        "created": 1_772_323_200,
        "metadata": {"feature": "orders"},
        "messages": [{"id": f"chatcmpl-{number}-0", **ASKED, "name": None}],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {**ANSWERED, "refusal": None}}],
        "usage": {"total_tokens": 20},
        **fields,
    }


def node(name, parent, role, *parts, content_type="text", **message):
    """A node of ChatGPT's tree; without a role it holds no message."""
    said = {
        "id": name,
        "author": {"role": role, "name": None, "metadata": {}},
        "content": {"content_type": content_type, "parts": list(parts)},
        "recipient": "all",
        "metadata": {"model_slug": "gpt-4o"} if role == "assistant" else {},
        **message,
    }
    return {"id": name, "parent": parent, "children": [], "message": said if role else None}


def tree(*nodes, number=1, **fields):
    """A conversation of ChatGPT whose last node is the current one."""
    return {
        "title": "Orders",
        "create_time": 1_772_323_200.5,
        "update_time": 1_772_323_300.5,
        "mapping": {one["id"]: one for one in nodes},
        "current_node": nodes[-1]["id"],
        "conversation_id": f"talk-{number}",
        "default_model_slug": "auto",
        **fields,
    }


def chatgpt(number=1):
    return tree(
        node("root", None, ""),
        node("system", "root", "system", ""),
        node("asked", "system", "user", ASKED["content"]),
        node("answered", "asked", "assistant", ANSWERED["content"]),
        number=number,
    )


def sharegpt(number=1):
    return {
        "id": f"identity_{number}",
        "conversations": [
            {"from": "human", "value": ASKED["content"]},
            {"from": "gpt", "value": f"{ANSWERED['content']} {number}"},
        ],
    }


def generation(number=1, **fields):
    """A generation of Langfuse, as its pages export it."""
    return {
        "id": f"generation-{number}",
        "traceId": f"trace-{number}",
        "traceName": "support",
        "type": "GENERATION",
        "name": "OpenAI-generation",
        "startTime": "2026-03-01T00:00:00.000Z",
        "model": "gpt-4.1-mini",
        "input": [ASKED],
        "output": ANSWERED,
        "scores": [{"name": "helpful", "value": 1}, {"name": "polite", "value": 0.5}],
        "traceTags": ["billing", "de"],
        **fields,
    }


def run(number=1, **fields):
    """A run of LangSmith, as its SDK gives one of LangChain's models."""
    return {
        "id": f"run-{number}",
        "name": "ChatOpenAI",
        "run_type": "llm",
        "start_time": "2026-03-01T00:00:00.000000",
        "inputs": {"messages": [[lang("HumanMessage", ASKED["content"])]]},
        "outputs": {
            "generations": [[{"text": "", "message": lang("AIMessage", ANSWERED["content"])}]],
            "llm_output": {},
        },
        "extra": {"metadata": {"ls_model_name": "gpt-4.1-mini"}},
        "feedback_stats": {"user_score": {"n": 2, "avg": 0.5}},
        "tags": ["billing", "de"],
        **fields,
    }


def lang(kind, content, **kwargs):
    """A message as LangChain serializes it."""
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", kind],
        "kwargs": {"content": content, "type": "x", "response_metadata": {}, "tool_calls": [], **kwargs},
    }


MAKERS = {
    "openai": completion,
    "chatgpt": chatgpt,
    "sharegpt": sharegpt,
    "langfuse": generation,
    "langsmith": run,
}


def array(*rows):
    return json.dumps(rows, indent=1).encode()


def lines(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def table(*rows):
    """CSV, in which everything but texts stands as JSON."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}
        )
    return text.getvalue().encode()
