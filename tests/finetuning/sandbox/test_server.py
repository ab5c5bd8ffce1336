import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import openai
import pytest

from finetuning.sandbox.app import create_app
from finetuning.sandbox.server import SandboxServer
from finetuning.sandbox.settings import SandboxSettings
from tests.finetuning.sandbox.conftest import chat_file


@pytest.fixture
def server(tmp_path):
    server = SandboxServer(create_app(SandboxSettings(data_dir=tmp_path)), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join()


@pytest.fixture
def connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    yield connection
    connection.close()


HEADERS = {"Authorization": "Bearer sk-test", "Content-Type": "application/json"}
QUESTION = b'{"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "a b c d"}]}'


def test_answers_again_and_again_on_one_connection(connection):
    ports = set()
    for path in ("/v1/models", "/v1/nothing", "/v1/files"):
        connection.request("GET", path, headers=HEADERS)
        connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])

    assert len(ports) == 1


def test_sends_a_stream_in_chunks(connection):
    connection.request("POST", "/v1/chat/completions", body=QUESTION, headers=HEADERS)

    answer = connection.getresponse()

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.read().endswith(b"data: [DONE]\n\n")


def test_reads_a_chunked_body(connection):
    connection.request(
        "POST", "/v1/chat/completions", body=iter([QUESTION[:9], QUESTION[9:]]), headers=HEADERS
    )

    assert connection.getresponse().status == 200


def test_refuses_a_broken_chunked_body(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
        head = (
            b"POST /v1/fine_tuning/jobs HTTP/1.1\r\nAuthorization: Bearer a\r\nTransfer-Encoding: chunked\r\n"
        )
        client.sendall(head + b"\r\nzz\r\n")
        answer = client.recv(12)

    assert answer == b"HTTP/1.1 400"


def test_serves_the_sdk(server):
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with openai.OpenAI(api_key="sk-test", base_url=url, max_retries=0) as api:
        content = chat_file(2000)

        file = api.files.create(file=("train.jsonl", content), purpose="fine-tune")

        assert api.files.content(file.id).read() == content


def test_starts_and_stops_as_a_command(tmp_path):
    command = [sys.executable, "manage.py", "sandbox", "--port", "0", "--data", str(tmp_path / "data")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "SANDBOX_API_KEYS": "sk-good"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        address = re.search(r"http://\S+/v1", process.stdout.readline())[0]
        with openai.OpenAI(api_key="sk-good", base_url=address, max_retries=0) as api:
            models = api.models.list().data
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)

    assert code == 0
    assert models[0].owned_by == "sandbox"


def test_says_why_it_cannot_start(server, tmp_path):
    port = str(server.server_port)
    command = [sys.executable, "manage.py", "sandbox", "--port", port, "--data", str(tmp_path / "data")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}

    result = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert result.returncode == 1
    assert "The sandbox cannot start" in result.stderr
