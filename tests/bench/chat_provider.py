"""A provider that answers at once, so that what stands before it can be measured."""

import asyncio
import json
import sys

WORDS = 20
USAGE = {"prompt_tokens": 120, "completion_tokens": WORDS, "total_tokens": 120 + WORDS}
SHARED = {"id": "chatcmpl-1", "created": 1, "model": "real-model"}


def _whole():
    message = {"role": "assistant", "content": "word " * WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({**SHARED, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


def _chunks():
    kind = {**SHARED, "object": "chat.completion.chunk"}
    for number in range(WORDS):
        delta = {"role": "assistant", "content": "word "} if number == 0 else {"content": "word "}
        yield {**kind, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**kind, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**kind, "choices": [], "usage": USAGE}


def _event(data):
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


BODY = _whole()
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = [*[_event(json.dumps(chunk).encode()) for chunk in _chunks()], _event(b"[DONE]") + b"0\r\n\r\n"]


async def serve(reader, writer):
    """Answer one connection until it is closed."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(size)
            await answer(writer, is_stream=json.loads(body).get("stream", False))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(writer, *, is_stream):
    if not is_stream:
        writer.write(WHOLE)
        return
    writer.write(HEAD)
    for event in EVENTS:
        writer.write(event)
        # Each event is a packet of its own, as from a model.
        await asyncio.sleep(0)


async def main(port):
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
