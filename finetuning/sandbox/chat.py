"""``POST /chat/completions``: answer a conversation at once or chunk by chunk."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from finetuning.sandbox import answers, models
from finetuning.sandbox.errors import ApiError
from finetuning.sandbox.examples import count_chat, text_of
from finetuning.sandbox.http import Json, Request, Response, json_response
from finetuning.sandbox.state import Sandbox
from finetuning.sandbox.store import new_id
from finetuning.tokenizer import encoding

# Streamed words come in groups, as the vendor's chunks hold more than one token.
WORDS_PER_CHUNK = 3
ECHOED = (
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "response_format",
    "seed",
    "presence_penalty",
    "functions",
)


class StreamOptions(msgspec.Struct):
    """``stream_options``."""

    include_usage: bool = False


class CreateCompletion(msgspec.Struct):
    """Body of ``POST /chat/completions``; parameters that cannot change a looked-up answer are ignored."""

    model: str
    messages: Annotated[list[Json], Meta(min_length=1)]
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    tools: list[Json] | None = None
    functions: list[Json] | None = None
    tool_choice: Any = None
    response_format: Any = None


def create(sandbox: Sandbox, request: Request) -> Response:
    """Answer ``POST /chat/completions``. Raises ``ApiError`` 404 for an unknown or ended model."""
    body = request.json(CreateCompletion)
    _check_messages(body.messages)
    message, finish_reason = _cut(body, _reply(sandbox, body))
    completion = _completion(sandbox, body, message, finish_reason)
    if body.store:
        save(sandbox, body, completion)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        return Response(content_type="text/event-stream", body=_stream(completion, with_usage=with_usage))
    return json_response(completion)


def save(sandbox: Sandbox, body: CreateCompletion, completion: Json) -> None:
    """Keep a completion and its input messages for the stored-completions routes."""
    echoed = {name: getattr(body, name) for name in ECHOED if getattr(body, name) is not None}
    messages = [
        {"id": f"{completion['id']}-{position}", **message} for position, message in enumerate(body.messages)
    ]
    with sandbox.store.write() as db:
        db.execute(
            "INSERT INTO completions (id, model, metadata, body, messages) VALUES (?, ?, ?, ?, ?)",
            [
                completion["id"],
                body.model,
                json.dumps(body.metadata or {}),
                msgspec.json.encode({**echoed, **completion}),
                msgspec.json.encode(messages),
            ],
        )


def save_example(sandbox: Sandbox, completion_id: str) -> None:
    """Keep a completion under an id that somebody asked for, as the ``spec`` dialect needs it."""
    body = CreateCompletion(model="gpt-4o-mini", messages=[{"role": "assistant", "content": "Hello."}])
    message, finish_reason = _cut(body, _labelled(body, "gpt-4o-mini-2024-07-18"))
    save(sandbox, body, {**_completion(sandbox, body, message, finish_reason), "id": completion_id})


def _check_messages(messages: list[Json]) -> None:
    roles = ("system", "developer", "user", "assistant", "tool", "function")
    for position, message in enumerate(messages):
        if message.get("role") not in roles:
            raise ApiError(
                400,
                f"Invalid value: '{message.get('role')}'. "
                f"Supported values are: {', '.join(map(repr, roles))}.",
                param=f"messages[{position}].role",
                code="invalid_value",
            )
        if not isinstance(message.get("content"), str | list | None):
            raise ApiError(
                400,
                f"Invalid type for 'messages[{position}].content': expected a string or a list of parts.",
                param=f"messages[{position}].content",
                code="invalid_type",
            )


def _reply(sandbox: Sandbox, body: CreateCompletion) -> Json:
    base = models.live_base(body.model)
    if base is None and not sandbox.lenient:
        base = _base_if_ended(sandbox, body.model)
    row = sandbox.store.row("models", body.model)
    if row is None:
        return _labelled(body, base or body.model)
    learned = answers.reply_of_tuned(sandbox, row["training_file"], body.messages)
    return learned or _labelled(body, row["base"])


def _base_if_ended(sandbox: Sandbox, model: str) -> str:
    if model not in models.BASES and model not in models.ALIASES:
        return str(models.find_tuned(sandbox, model)["base"])
    raise ApiError(
        404,
        f"The model `{model}` has been deprecated and is no longer available.",
        param="model",
        code="model_not_found",
    )


def _labelled(body: CreateCompletion, base: str) -> Json:
    asked = answers.last_user_text(body.messages)[:200]
    return {"role": "assistant", "content": f"[sandbox] {base} does not think here. You said: {asked}"}


def _cut(body: CreateCompletion, reply: Json) -> tuple[Json, str]:
    """Return the message, shortened by ``stop`` and the token limit, and the finish reason."""
    message: Json = {"role": "assistant", "content": reply.get("content"), "refusal": None, "annotations": []}
    if reply.get("tool_calls"):
        return {**message, "tool_calls": reply["tool_calls"]}, "tool_calls"
    if reply.get("function_call"):
        return {**message, "function_call": reply["function_call"]}, "function_call"
    text = text_of(reply.get("content"))
    for stop in [body.stop] if isinstance(body.stop, str) else body.stop or []:
        text = text.split(stop)[0] if stop else text
    limit = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    tokens = encoding("o200k_base").encode_ordinary(text)
    if limit is None or len(tokens) <= limit:
        return {**message, "content": text}, "stop"
    # A token may end inside a character; what is left of it is dropped.
    kept = encoding("o200k_base").decode_bytes(tokens[: max(0, limit)]).decode("utf-8", "ignore")
    return {**message, "content": kept}, "length"


def _completion(sandbox: Sandbox, body: CreateCompletion, message: Json, finish_reason: str) -> Json:
    count = body.n or 1
    choice = {"finish_reason": finish_reason, "logprobs": None, "message": message}
    return {
        "id": new_id("chatcmpl-", 29),
        "object": "chat.completion",
        "created": int(sandbox.now()),
        "model": models.live_base(body.model) or body.model,
        "choices": [{"index": index, **choice} for index in range(count)],
        "usage": _usage(body, message, count),
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
        "metadata": body.metadata,
    }


def _usage(body: CreateCompletion, message: Json, count: int) -> Json:
    try:
        prompt_tokens = count_chat(body.messages, body.tools, body.functions)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiError(400, f"Invalid messages or tools: {error}.", param="messages") from error
    called = [call["function"] for call in message.get("tool_calls", [])]
    called += [message["function_call"]] if message.get("function_call") else []
    spoken = (message["content"] or "") + "".join(call["name"] + call["arguments"] for call in called)
    completion_tokens = count * len(encoding("o200k_base").encode_ordinary(spoken))
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _stream(completion: Json, *, with_usage: bool) -> Iterator[bytes]:
    shared = {
        name: completion[name] for name in ("id", "created", "model", "service_tier", "system_fingerprint")
    }
    shared |= {"object": "chat.completion.chunk", **({"usage": None} if with_usage else {})}
    for choice in completion["choices"]:
        for delta in _deltas(choice["message"]):
            piece = {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": None}
            yield _event({**shared, "choices": [piece]})
        last = {
            "index": choice["index"],
            "delta": {},
            "logprobs": None,
            "finish_reason": choice["finish_reason"],
        }
        yield _event({**shared, "choices": [last]})
    if with_usage:
        yield _event({**shared, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _deltas(message: Json) -> Iterator[Json]:
    yield {"role": "assistant", "content": "" if message["content"] is not None else None, "refusal": None}
    words = re.findall(r"\s*\S+\s*$|\s*\S+|\s+", message["content"] or "")
    for start in range(0, len(words), WORDS_PER_CHUNK):
        yield {"content": "".join(words[start : start + WORDS_PER_CHUNK])}
    if "tool_calls" in message:
        yield {"tool_calls": [{"index": index, **call} for index, call in enumerate(message["tool_calls"])]}
    if "function_call" in message:
        yield {"function_call": message["function_call"]}


def _event(chunk: Json) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
