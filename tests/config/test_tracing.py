import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import settings

from tests.threads import serving

REQUEST = """
import django
django.setup()
from django.test import Client
from opentelemetry import trace
assert Client().get("/healthz", headers={"X-Request-Id": "r-1"}).status_code == 200
trace.get_tracer_provider().shutdown()
"""
WITHOUT_PACKAGES = "import sys; sys.modules['opentelemetry'] = None; import django; django.setup()"


class Collector(HTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with serving(Collector()) as server:
        yield server


def run(code, **environment):
    """`code` in a process of its own, because tracing is for a whole process."""
    own = {"SECRET_KEY": "x" * 60, "DJANGO_SETTINGS_MODULE": "config.settings", "SERVED_OVER_HTTPS": "false"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **own, "ALLOWED_HOSTS": "testserver", **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )


def test_sends_the_spans_of_a_request(collector):
    ended = run(REQUEST, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}/")

    assert ended.returncode == 0, ended.stderr
    [(path, body)] = collector.received
    assert path == "/v1/traces"
    assert b"GET healthz" in body


def test_is_off_without_the_setting():
    loaded = "import sys, django; django.setup(); assert 'opentelemetry.sdk.trace' not in sys.modules"

    assert run(loaded, OTEL_EXPORTER_OTLP_ENDPOINT="").returncode == 0


def test_says_what_to_install():
    ended = run(WITHOUT_PACKAGES, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

    assert ended.returncode != 0
    assert "uv sync --extra tracing" in ended.stderr
