"""Read a training file the way the vendor's job does: count it, and name the first thing that is wrong."""

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from finetuning.sandbox.http import Json
from finetuning.tokenizer import chat, encoding

MAX_TOKENS_PER_EXAMPLE = 65_536
ROLES = ("system", "user", "assistant", "tool", "function")
# Tokens of the vendor's chat format that may not occur in data; rejected by name in an observed message.
SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep)\|>"
)
# Enough text to judge how repetitive a file is, and enough distinct tokens to know its distribution.
COMPRESSED_SAMPLE_BYTES = 8 << 20
KEPT_TOKENS = 20_000

Format = Literal["chat", "preference", "completion", "unknown"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job ends as failed, as the vendor's ``error`` object."""

    code: str
    message: str
    param: str | None = None


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What a job needs to know of a file.

    ``tokens`` is the sum over examples, each cut at 65,536. ``token_counts`` maps token ids of the text to be
    learned to how often they occur. ``redundancy`` is the compressed share of that text: 1 for noise, near 0
    for repetition. ``failure`` is the first problem of any line; ``no_reply_at`` the first example without an
    assistant.
    """

    format: Format
    examples: int
    tokens: int
    token_counts: dict[int, int]
    redundancy: float
    failure: Failure | None = None
    no_reply_at: int | None = None


class _Totals:
    def __init__(self) -> None:
        self.examples = 0
        self.tokens = 0
        self.no_reply_at: int | None = None
        self.counts: Counter[int] = Counter()
        self.compressor = zlib.compressobj(6)
        self.read_bytes = 0
        self.written_bytes = 0

    def add(self, example: Json, format: Format) -> None:
        """Count one example that has passed the checks."""
        self.examples += 1
        self.tokens += min(MAX_TOKENS_PER_EXAMPLE, count_tokens(example, format))
        text = learned_text(example, format)
        if format == "chat" and self.no_reply_at is None and not has_reply(example):
            self.no_reply_at = self.examples
        self.counts.update(encoding("o200k_base").encode_ordinary(text))
        if self.read_bytes < COMPRESSED_SAMPLE_BYTES:
            raw = text.encode("utf-8", "replace")
            self.read_bytes += len(raw)
            self.written_bytes += len(self.compressor.compress(raw))

    def redundancy(self) -> float:
        """Return compressed bytes over raw bytes."""
        self.written_bytes += len(self.compressor.flush())
        return min(1.0, self.written_bytes / max(1, self.read_bytes))


class _BadLineError(Exception):
    """One line cannot be used; the text says which and why."""


def analyse(path: Path) -> Analysis:
    """Read a JSONL file line by line in bounded memory; stops at the first bad line."""
    totals = _Totals()
    format: Format = "unknown"
    failure = None
    with path.open("rb") as source:
        for number, line in enumerate((line for line in source if line.strip()), start=1):
            try:
                example = _parse(line, number)
                format = format_of(example) if number == 1 else format
                _check_example(example, format, number)
            except _BadLineError as bad:
                failure = _invalid(str(bad))
                break
            if token := SPECIAL_TOKEN.search(line.decode("utf-8", "replace")):
                failure = _special_token(number, token[0])
                break
            try:
                totals.add(example, format)
            except (AttributeError, KeyError, TypeError, ValueError):
                # The checks above look at what the vendor names; what else cannot be counted ends here.
                failure = _invalid(
                    f"Invalid file format. Example {number} has a field of an unexpected type."
                )
                break
    return Analysis(
        format=format,
        examples=totals.examples,
        tokens=totals.tokens,
        token_counts=dict(totals.counts.most_common(KEPT_TOKENS)),
        redundancy=totals.redundancy(),
        failure=failure,
        no_reply_at=totals.no_reply_at,
    )


def format_of(example: Json) -> Format:
    """Tell the kind of file by the keys of its first example."""
    if "messages" in example:
        return "chat"
    if "input" in example and "preferred_output" in example:
        return "preference"
    return "completion" if "prompt" in example and "completion" in example else "unknown"


def conversations(path: Path) -> Iterator[Json]:
    """Yield the examples of a file that ``analyse`` has accepted."""
    with path.open("rb") as source:
        for line in source:
            if line.strip():
                yield msgspec.json.decode(line, type=Json)


def turns(example: Json) -> list[Json]:
    """Return the messages that a tuned model would repeat: of preference pairs, the preferred side."""
    if "messages" in example:
        return list(example["messages"])
    if "preferred_output" in example:
        return [*example["input"]["messages"], *example["preferred_output"]]
    return []


def count_tokens(example: Json, format: Format) -> int:
    """Return the tokens of one example, both answers of a preference pair included."""
    if format == "chat":
        messages, declared = list(example["messages"]), example
    elif format == "preference":
        outputs = [*example["preferred_output"], *example["non_preferred_output"]]
        messages, declared = [*example["input"]["messages"], *outputs], example["input"]
    else:
        return len(encoding("o200k_base").encode_ordinary(str(list(example.values()))))
    return count_chat(messages, declared.get("tools"), declared.get("functions"))


def count_chat(messages: list[Json], tools: list[Json] | None, functions: list[Json] | None = None) -> int:
    """Return the tokens of a conversation and its declared functions."""
    declared = [tool["function"] for tool in tools or [] if isinstance(tool.get("function"), dict)]
    functions_total = chat.count_functions([*declared, *(functions or [])], "o200k_base")
    return chat.count_conversation(messages, "o200k_base") + functions_total


def text_of(content: object) -> str:
    """Return message content as plain text; images have none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def learned_text(example: Json, format: Format) -> str:
    """Return the text whose loss is reported: the assistant's turns, or the prompt where there are none."""
    if format not in ("chat", "preference"):
        return " ".join(map(str, example.values()))
    messages = turns(example)
    replies = [message for message in messages if message["role"] == "assistant"]
    return "\n".join(_spoken(message) for message in replies or messages)


def has_reply(example: Json) -> bool:
    """Return whether any turn is the assistant's."""
    return any(message["role"] == "assistant" for message in example["messages"])


def _spoken(message: Json) -> str:
    calls = message.get("tool_calls") or []
    return text_of(message.get("content")) + "".join(call["function"]["arguments"] for call in calls)


def _parse(line: bytes, number: int) -> Json:
    try:
        example = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _BadLineError(f"Invalid file format. Line {number} is not valid JSON.") from None
    if not isinstance(example, dict):
        raise _BadLineError(f"Invalid file format. Line {number} is not a JSON dictionary.")
    return example


def _check_example(example: Json, format: Format, number: int) -> None:
    if format == "chat":
        _check_messages(example.get("messages"), f"Example {number}", "messages")
        _check_tools(example, number)
    elif format == "preference":
        _check_preference(example, number)
        _check_tools(example["input"], number)
    elif format == "unknown":
        raise _BadLineError(
            "Unexpected file format, expected either prompt/completion pairs or chat messages."
        )


def _check_preference(example: Json, number: int) -> None:
    given = example.get("input")
    if not isinstance(given, dict):
        raise _BadLineError(
            f"Invalid file format. Example {number} Field 'input' is missing or not a dictionary"
        )
    _check_messages(given.get("messages"), f"Example {number}", "input.messages")
    for name in ("preferred_output", "non_preferred_output"):
        _check_messages(example.get(name), f"Example {number}", name)
        if len(example[name]) != 1 or example[name][0]["role"] != "assistant":
            raise _BadLineError(
                f"Invalid file format. Example {number} '{name}' must be one assistant message"
            )


def _check_messages(messages: object, where: str, name: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise _BadLineError(f"Invalid file format. {where} Field '{name}' is missing or not a non-empty list")
    for index, message in enumerate(messages, start=1):
        problem = _message_problem(message)
        if problem:
            raise _BadLineError(f"Invalid file format. {where}, message {index} {problem}")


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "Input should be a valid dictionary"
    if "role" not in message:
        return "Discriminator 'role' is missing in value"
    role = message["role"]
    if role not in ROLES:
        expected = ", ".join(f"'{known}'" for known in ROLES)
        return f"Input tag '{role}' found using 'role' does not match any of the expected tags: {expected}"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "Field 'tool_call_id' is required for a tool message"
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1)):
        return "Field 'weight' must be 0 or 1, and only on assistant messages"
    return _content_problem(message) or _calls_problem(message)


def _content_problem(message: Json) -> str | None:
    content = message.get("content")
    if isinstance(content, str):
        return None
    if content is None:
        has_call = message.get("tool_calls") or message.get("function_call")
        return None if message["role"] == "assistant" and has_call else "Field 'content' is required"
    if not isinstance(content, list) or not all(_is_part(part) for part in content):
        return "Field 'content' should be a string or a list of content parts"
    return None


def _is_part(part: object) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    kind = dict if part["type"] == "image_url" else str
    return isinstance(part.get(part["type"]), kind)


def _calls_problem(message: Json) -> str | None:
    legacy = message.get("function_call")
    if legacy is not None and not _is_call({"function": legacy}):
        return "Field 'function_call' should have a name and arguments"
    calls = message.get("tool_calls")
    if calls is None:
        return None
    if message["role"] != "assistant" or not isinstance(calls, list) or not all(map(_is_call, calls)):
        return "Field 'tool_calls' should be a list of function calls of an assistant message"
    return None


def _is_call(call: object) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and all(
        isinstance(function.get(key), str) for key in ("name", "arguments")
    )


def _check_tools(holder: Json, number: int) -> None:
    tools, functions = holder.get("tools") or [], holder.get("functions") or []
    if not isinstance(tools, list) or not isinstance(functions, list):
        raise _BadLineError(f"Invalid file format. Example {number} Field 'tools' should be a list")
    declared = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(_is_function(function) for function in [*declared, *functions]):
        raise _BadLineError(
            f"Invalid file format. Example {number} Field 'tools' has an entry that is not a named function"
        )


def _is_function(function: object) -> bool:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return False
    parameters = function.get("parameters") or {}
    return isinstance(parameters, dict) and isinstance(parameters.get("properties") or {}, dict)


def _invalid(problem: str) -> Failure:
    message = f"The job failed due to an invalid training file. {problem}"
    return Failure(code="invalid_training_file", message=message, param="training_file")


def _special_token(number: int, token: str) -> Failure:
    message = (
        "The job failed due to a file format error in the training file. Invalid file format. "
        f"Example {number} message contains an invalid token: {token}."
    )
    return Failure(code="invalid_file_format", message=message, param="training_file")
