import socket
import threading

import pytest

from finetuning.addresses import find_destination
from finetuning.webhooks.sending import ANSWER_BYTES, post
from tests.finetuning.test_addresses import name_server
from tests.finetuning.webhook_receiver import listening

LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    with listening() as receiver:
        yield receiver


def send(url, *, seconds=5.0):
    destination = find_destination(url, allowed=LOOPBACK)
    headers = {"Content-Type": "application/json", "webhook-id": "1"}
    return post(url, to=destination, body=b'{"a": 1}', headers=headers, timeout_seconds=seconds)


def test_posts_the_body_and_the_headers(receiver):
    answer = send(receiver.url)

    request = receiver.got[0]
    assert (answer.status, answer.is_accepted, answer.error) == (204, True, "")
    assert (request.path, request.body, request.headers["webhook-id"]) == ("/hook", b'{"a": 1}', "1")


def test_keeps_the_host_of_the_url_and_connects_to_the_checked_address(receiver, monkeypatch):
    port = receiver.url.rsplit(":", 1)[1].split("/")[0]
    asked = name_server(monkeypatch, ["127.0.0.1"], ["192.0.2.1"])

    answer = send(f"http://hooks.test:{port}/x")

    assert answer.status == 204
    assert receiver.got[0].headers["host"] == f"hooks.test:{port}"
    assert asked == ["hooks.test"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_follows_no_redirect(receiver, status):
    receiver.answers = [status]

    answer = send(receiver.url)

    assert (answer.status, answer.is_accepted) == (status, False)
    assert len(receiver.got) == 1


def test_asks_no_proxy_of_the_environment(receiver, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert send(receiver.url).status == 204


def test_waits_for_a_dripping_server_no_longer_than_in_all(receiver):
    stop = threading.Event()

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            handler.wfile.write(b"X-Drip: 1\r\n")

    receiver.answers = [drip]

    answer = send(receiver.url, seconds=0.5)
    stop.set()

    assert (answer.status, answer.is_accepted) == (None, False)
    assert "0.5 seconds" in answer.error


def test_reads_only_the_start_of_an_endless_answer(receiver):
    def flood(handler):
        handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            handler.wfile.write(b"no\0 " * 1000)

    def until_closed(handler):
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            flood(handler)

    receiver.answers = [until_closed]

    answer = send(receiver.url)

    assert answer.status == 500
    assert answer.text.startswith("no no ")
    assert len(answer.text) <= ANSWER_BYTES


def test_tells_what_was_wrong_with_an_answer_that_is_not_http(receiver):
    receiver.answers = [lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n")]

    answer = send(receiver.url)

    assert answer.status is None
    assert answer.error.startswith("The answer was not HTTP")


def test_tells_that_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    answer = send(f"http://127.0.0.1:{port}/")

    assert answer.status is None
    assert "refused" in answer.error


def test_sends_nothing_before_tls_is_up(receiver):
    answer = send(receiver.url.replace("http://", "https://"))

    assert answer.status is None
    assert receiver.got == []
