"""What the SDKs of all languages are tried with."""

from tests.gateway.upstream import event

SAY_HI = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def stream_call_of_tool(upstream):
    """Let `real-model` answer with CALL in pieces."""
    pieces = [
        {
            "role": "assistant",
            "tool_calls": [{"index": 0, **CALL | {"function": {"name": "f", "arguments": ""}}}],
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "real-model"}
    events = [event(chunk | {"choices": [{"index": 0, "delta": piece}]}) for piece in pieces]
    end = event(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    upstream.stream("real-model", *events, end, event(b"[DONE]"))
