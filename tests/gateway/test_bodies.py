"""The events of a stream, byte by byte, and what an answer says of its tokens."""

import gzip
import json
import zlib

import pytest

from models_registry.gateway.bodies import (
    PIECE_BYTES,
    Call,
    EventStream,
    Unpacker,
    Usage,
    read_answer,
    usage_of,
)
from tests.gateway.upstream import completion

CHUNK = {"id": "c", "model": "real-model", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
RENAMED = b'data: {"id":"c","model":"bot","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
LAST = {"model": "real-model", "choices": [], "usage": completion()["usage"]}


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def stream(*, wants_usage=False):
    return EventStream(Call(fields={}, model="bot", is_stream=True, wants_usage=wants_usage, size_bytes=40))


def passed(given, *, size):
    """What comes out when `given` comes in pieces of `size`."""
    events = stream()
    out = b"".join(events.feed(given[at : at + size]) for at in range(0, len(given), size))
    return events, out + events.end()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("", ""),
        (": ping\n", ": ping\n"),
        ("event: message\nid: 7\n", "event: message\nid: 7\n"),
        ("retry: 10\n\n", "retry: 10\n\n"),
    ],
)
def test_renames_the_model_whatever_an_event_begins_with(size, end, before, kept):
    given = f"{before}data: {compact(CHUNK).decode()}\n\ndata: {compact(LAST).decode()}\n\ndata: [DONE]\n\n"

    events, out = passed(given.replace("\n", end).encode(), size=size)

    assert out == kept.encode() + RENAMED + b"data: [DONE]\n\n"
    assert events.usage == Usage(7, 3)
    assert events.deltas == 1


def test_reads_data_of_several_lines():
    lines = json.dumps(CHUNK, indent=1).replace("\n", "\ndata:")

    _, out = passed(f"data:{lines}\n\n".encode(), size=10_000)

    assert json.loads(out.removeprefix(b"data: ")) == CHUNK | {"model": "bot"}
    assert out.count(b"\n") == 2


@pytest.mark.parametrize("text", [b": ping\n\n", b"event: ping\ndata\n\n", b"data: no JSON\n\n"])
def test_passes_on_what_is_no_chunk(text):
    assert passed(text, size=10_000)[1] == text


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
def test_unpacks_in_small_pieces(pack, size):
    """However little the bytes are that a large answer comes as."""
    given = b"0" * (3 * PIECE_BYTES) + b"end"
    packed = pack(given)
    unpacker = Unpacker(b"GZip")

    pieces = [piece for at in range(0, len(packed), size) for piece in unpacker.feed(packed[at : at + size])]
    pieces.append(unpacker.end())

    assert b"".join(pieces) == given
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_unpacks_what_was_packed_in_parts():
    unpacker = Unpacker(b"gzip")
    parts = gzip.compress(b"Hel") + gzip.compress(b"lo")

    assert b"".join(unpacker.feed(parts)) + unpacker.end() == b"Hello"


def test_counts_an_error_within_a_stream_as_one():
    events, out = passed(b'event: error\ndata: {"error":{"message":"Overloaded."}}\n\n', size=10_000)

    assert events.is_failed
    assert b"Overloaded." in out


def test_reads_how_many_tokens_came_from_the_cache():
    usage = completion()["usage"] | {"prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0}}

    assert usage_of(read_answer(compact({"usage": usage}))).cached_tokens == 5
    assert usage_of(read_answer(compact({"usage": usage | {"prompt_tokens_details": None}}))) == Usage(7, 3)


@pytest.mark.parametrize(
    "usage", [b'"\xff"', b"[" * 100_000 + b"]" * 100_000, b"-1", b'{"prompt_tokens": -1}']
)
def test_believes_no_usage_that_cannot_be(usage):
    assert usage_of(read_answer(b'{"usage": ' + usage + b"}")) is None
