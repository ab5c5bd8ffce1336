"""Calls that run while the gateway stops, or while the database loses its connections."""

import socket
from contextlib import contextmanager

import httpx2
import pytest
from django.db import connection

from tests.gateway.conftest import usage
from tests.gateway.upstream import completion, delta, event
from tests.waiting import wait_until

ASK = {"model": "real-model", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
LAST = event({"object": "chat.completion.chunk", "choices": [], "usage": completion()["usage"]})


@contextmanager
def stream(gateway, key):
    """An open stream, of which the first piece has come."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{gateway.url}/chat/completions"
    with httpx2.stream("POST", url, json=ASK, headers=headers, timeout=60) as answer:
        pieces = answer.iter_text()
        next(pieces)
        yield pieces


def is_closed(gateway):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(gateway.url.split(":")[2].split("/")[0]))) != 0


def test_lets_streams_end_before_it_stops(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo"), LAST, event(b"[DONE]"))

    with stream(gateway, key) as pieces:
        gateway.server.should_exit = True
        wait_until(lambda: is_closed(gateway))
        upstream.go_on.set()
        rest = "".join(pieces)

    assert rest.endswith("data: [DONE]\n\n")
    gateway.stop()
    assert (usage()["requests"], usage()["errors"], usage()["tokens"]) == (1, 0, 10)


def test_counts_a_stream_that_it_cuts_off_when_it_has_to_stop(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", delta("Hel"), "wait")
    gateway.server.config.timeout_graceful_shutdown = 0

    with stream(gateway, key) as pieces:
        gateway.server.should_exit = True
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)

    gateway.stop()
    assert (usage()["requests"], usage()["hang_ups"]) == (1, 1)
    assert usage()["completion_tokens"] == 1
    assert [path for path in gateway.folder.iterdir() if path.is_file()] == []


def backends():
    """The connections to the database, but for our own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_holds_no_connection_to_the_database_while_it_streams(gateway, upstream, make_model, key):
    make_model()
    upstream.stream("real-model", delta("Hel"), "wait", delta("lo"), LAST, event(b"[DONE]"))

    with stream(gateway, key) as first, stream(gateway, key) as second, stream(gateway, key) as third:
        # That of the directory, which all calls share.
        wait_until(lambda: len(backends()) <= 1)
        with connection.cursor() as cursor:
            for pid in backends():
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        upstream.go_on.set()
        rests = ["".join(pieces) for pieces in (first, second, third)]

    assert [rest.endswith("data: [DONE]\n\n") for rest in rests] == [True] * 3
    gateway.stop()
    assert (usage()["requests"], usage()["errors"], usage()["tokens"]) == (3, 0, 30)
