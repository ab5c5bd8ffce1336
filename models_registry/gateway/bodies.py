"""Reading and changing what passes: only the name of the model, and what the count of tokens needs.

All other values stay as the bytes that they were.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Annotated, Any

import msgspec

from models_registry.gateway.errors import invalid_body

Fields = dict[str, msgspec.Raw]
DONE = b"[DONE]"
NULL, TRUE, NO_CHOICES = b"null", b"true", b"[]"
# What msgspec raises for bytes that are no such JSON; only an object's keys are checked to be UTF-8.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
PACKED = frozenset({b"gzip", b"x-gzip", b"deflate"})
# zlib finds out by itself which of the two it is.
EITHER_WBITS = 47
# Of a name of a model: no agent has a longer one, nor has a provider's model.
MODEL_LENGTH = 300
MAX_EVENT_BYTES = 16 * 1024 * 1024
# Of English text, for what the provider did not count because nobody read its answer to the end.
BYTES_PER_TOKEN = 4
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]

_fields = msgspec.json.Decoder(Fields)
_encode = msgspec.json.Encoder().encode


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: Tokens | None = None


class Usage(msgspec.Struct, frozen=True):
    """The protocol's `usage`; what is missing in it counts as none, what cannot be is not believed."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """How many of the prompt's tokens the provider had in its cache."""
        details = self.prompt_tokens_details or PromptDetails()
        return min(details.cached_tokens or 0, self.prompt_tokens)


_usage = msgspec.json.Decoder(Usage)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _is(value: msgspec.Raw | None, text: bytes) -> bool:
    return value is not None and bytes(value) == text


@dataclass(frozen=True, kw_only=True)
class Call:
    """What an application asks. `model` is the name that it gave."""

    fields: Fields = field(repr=False)
    model: str
    is_stream: bool
    wants_usage: bool
    size_bytes: int

    def body_for(self, provider_model_id: str) -> bytes:
        """What the provider gets."""
        fields = self.fields | {"model": _raw(provider_model_id)}
        if self.is_stream and not self.wants_usage:
            given = fields.get("stream_options")
            options = {} if given is None or _is(given, NULL) else _fields.decode(given)
            fields["stream_options"] = _raw(options | {"include_usage": msgspec.Raw(TRUE)})
        return _encode(fields)

    @property
    def estimated_prompt_tokens(self) -> int:
        return max(1, self.size_bytes // BYTES_PER_TOKEN)


def read_call(body: bytes) -> Call:
    """Raises GatewayError 400."""
    try:
        body.decode()
        fields = _fields.decode(body)
    except UNREADABLE as error:
        raise invalid_body(f"We could not parse the JSON body of your request: {error}.") from error
    return Call(
        fields=fields,
        model=_model(fields),
        is_stream=_is(fields.get("stream"), TRUE),
        wants_usage=_wants_usage(fields.get("stream_options")),
        size_bytes=len(body),
    )


def _model(fields: Fields) -> str:
    try:
        model = msgspec.json.decode(fields["model"], type=str)
    except KeyError as error:
        raise invalid_body("you must provide a model parameter", param="model") from error
    except msgspec.MsgspecError as error:
        raise invalid_body("Invalid type for 'model': expected a string.", param="model") from error
    if len(model) > MODEL_LENGTH:
        message = f"Invalid 'model': expected at most {MODEL_LENGTH} characters, got {len(model):,}."
        raise invalid_body(message, param="model")
    return model


def _wants_usage(options: msgspec.Raw | None) -> bool:
    if options is None or _is(options, NULL):
        return False
    try:
        return _is(_fields.decode(options).get("include_usage"), TRUE)
    except UNREADABLE as error:
        raise invalid_body("Invalid type for 'stream_options': expected an object.") from error


def read_answer(body: bytes) -> Fields:
    """The fields of a whole answer; none of what is no JSON object."""
    try:
        return _fields.decode(body)
    except UNREADABLE:
        return {}


def renamed(fields: Fields, name: str) -> bytes:
    """An answer with its model called `name`."""
    return _encode(fields | {"model": _raw(name)})


def usage_of(fields: Fields) -> Usage | None:
    given = fields.get("usage")
    if given is None or _is(given, NULL):
        return None
    try:
        return _usage.decode(given)
    except UNREADABLE:
        return None


def unpacker(encoding: bytes) -> Callable[[bytes], bytes]:
    """What undoes a `Content-Encoding`, piece by piece, or raises zlib.error. ValueError: it is unknown."""
    name = encoding.strip().lower()
    if name in {b"", b"identity"}:
        return bytes
    if name in PACKED:
        return zlib.decompressobj(EITHER_WBITS).decompress
    raise ValueError("the answer is packed in a way that was not asked for")


class EventStream:
    """The events of one streamed answer: fed with bytes as they come, gives them back as they are sent on.

    `see` is shown the fields of each.
    """

    def __init__(self, call: Call, see: Callable[[Fields], None] | None = None) -> None:
        self._call = call
        self._see = see
        self._name = _raw(call.model)
        self._rest = b""
        self.usage: Usage | None = None
        self.is_done = False
        self.is_failed = False
        self.deltas = 0
        self.first_at: float | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What can be sent on after `chunk` came: neither the start of an event nor the end of the stream."""
        text = (self._rest + chunk).replace(b"\r\n", b"\n")
        if b"\r" in text:
            # The last one may be half of an end of a line.
            text = text[:-1].replace(b"\r", b"\n") + text[-1:]
        *complete, self._rest = text.split(b"\n\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("an event of the provider has no end")
        return b"".join(map(self._change, complete))

    def end(self) -> bytes:
        """What is still to be sent when nothing more comes."""
        last = self._rest.replace(b"\r", b"\n").strip(b"\n")
        return (self._change(last) if last else b"") + (b"data: [DONE]\n\n" if self.is_done else b"")

    def _change(self, event: bytes) -> bytes:
        others, data = _taken_apart(event)
        if data is None:
            return event + b"\n\n"
        if data == DONE:
            self.is_done = True
            return b""
        self.first_at = self.first_at or perf_counter()
        try:
            fields = _fields.decode(data)
        except UNREADABLE:
            return event + b"\n\n"
        changed = self._change_fields(fields)
        return b"" if changed is None else others + b"data: " + _encode(changed) + b"\n\n"

    def _change_fields(self, fields: Fields) -> Fields | None:
        """None for the chunk of a usage that nobody asked for."""
        choices = fields.get("choices")
        self.usage = usage_of(fields) or self.usage
        self.deltas += choices is not None and not _is(choices, NO_CHOICES)
        self.is_failed = self.is_failed or bytes(fields.get("error", NULL)) != NULL
        if self._see is not None:
            self._see(fields)
        if "model" in fields:
            fields["model"] = self._name
        if not self._call.wants_usage and "usage" in fields:
            del fields["usage"]
            if _is(choices, NO_CHOICES):
                return None
        return fields


def _taken_apart(event: bytes) -> tuple[bytes, bytes | None]:
    """The other lines of an event (`event:`, `id:`, comments) and its data; None when it has no data."""
    if event.startswith(b"data:") and b"\n" not in event:
        return b"", event[5:].strip()
    lines = event.split(b"\n")
    data = [line[5:] for line in lines if line.startswith(b"data:")]
    others = b"".join(line + b"\n" for line in lines if not line.startswith(b"data:"))
    # Between lines of JSON a space means what a newline does, and the event goes on with one line.
    return others, b" ".join(data).strip() if data else None
