"""Reading and changing what passes: only the name of the model, and what the count of tokens needs.

All other values stay as the bytes that they were.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any

import msgspec

from models_registry.gateway.errors import invalid_body

Fields = dict[str, msgspec.Raw]
DONE = b"[DONE]"
NULL, TRUE, NO_CHOICES = b"null", b"true", b"[]"
MAX_EVENT_BYTES = 16 * 1024 * 1024
# Of English text, for what the provider did not count because nobody read its answer to the end.
BYTES_PER_TOKEN = 4
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]

_fields = msgspec.json.Decoder(Fields)
_encode = msgspec.json.Encoder().encode


class Usage(msgspec.Struct, frozen=True):
    """The protocol's `usage`; what is missing in it counts as none, what cannot be is not believed."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0


_usage = msgspec.json.Decoder(Usage)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _is(value: msgspec.Raw | None, text: bytes) -> bool:
    return value is not None and bytes(value) == text


@dataclass(frozen=True, kw_only=True)
class Call:
    """What an application asks. `model` is the name that it gave."""

    fields: Fields
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
        fields = _fields.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_body(f"We could not parse the JSON body of your request: {error}.") from error
    try:
        model = msgspec.json.decode(fields["model"], type=str)
    except KeyError as error:
        raise invalid_body("you must provide a model parameter", param="model") from error
    except msgspec.MsgspecError as error:
        raise invalid_body("Invalid type for 'model': expected a string.", param="model") from error
    return Call(
        fields=fields,
        model=model,
        is_stream=_is(fields.get("stream"), TRUE),
        wants_usage=_wants_usage(fields.get("stream_options")),
        size_bytes=len(body),
    )


def _wants_usage(options: msgspec.Raw | None) -> bool:
    if options is None or _is(options, NULL):
        return False
    try:
        return _is(_fields.decode(options).get("include_usage"), TRUE)
    except msgspec.MsgspecError as error:
        raise invalid_body("Invalid type for 'stream_options': expected an object.") from error


def read_answer(body: bytes) -> Fields:
    """The fields of a whole answer; none of what is no JSON object."""
    try:
        return _fields.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
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
    except msgspec.MsgspecError:
        return None


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
        self.deltas = 0
        self.first_at: float | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What can be sent on after `chunk` came: neither the start of an event nor the end of the stream."""
        *complete, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("an event of the provider has no end")
        return b"".join(self._changed(complete))

    def end(self) -> bytes:
        """What is still to be sent when nothing more comes."""
        last = b"".join(self._changed([self._rest])) if self._rest.strip() else b""
        return last + (b"data: [DONE]\n\n" if self.is_done else b"")

    def _changed(self, events: list[bytes]) -> Iterator[bytes]:
        for event in events:
            if not event.startswith(b"data:"):
                yield event + b"\n\n"
            elif (data := event[5:].strip()) == DONE:
                self.is_done = True
            else:
                yield self._change(event, data)

    def _change(self, event: bytes, data: bytes) -> bytes:
        self.first_at = self.first_at or perf_counter()
        try:
            fields = _fields.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return event + b"\n\n"
        self.usage = usage_of(fields) or self.usage
        has_choices = not _is(fields.get("choices"), NO_CHOICES)
        self.deltas += has_choices
        if self._see is not None:
            self._see(fields)
        if "model" in fields:
            fields["model"] = self._name
        if not self._call.wants_usage and "usage" in fields:
            del fields["usage"]
            if not has_choices:
                return b""
        return b"data: " + _encode(fields) + b"\n\n"
