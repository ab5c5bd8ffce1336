import os
import subprocess
import sys

from django.conf import settings

from tests.finetuning.webhook_receiver import listening

REQUEST = """
import django
django.setup()
from django.test import Client
from opentelemetry import trace
assert Client().get("/healthz", headers={"X-Request-Id": "r-1"}).status_code == 200
trace.get_tracer_provider().shutdown()
"""
WITHOUT_PACKAGES = "import sys; sys.modules['opentelemetry'] = None; import django; django.setup()"


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


def test_sends_the_spans_of_a_request():
    with listening() as collector:
        ended = run(REQUEST, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    assert ended.returncode == 0, ended.stderr
    [asked] = collector.got
    assert asked.path == "/hook/v1/traces"
    assert b"GET healthz" in asked.body


def test_is_off_without_the_setting():
    loaded = "import sys, django; django.setup(); assert 'opentelemetry.sdk.trace' not in sys.modules"

    assert run(loaded, OTEL_EXPORTER_OTLP_ENDPOINT="").returncode == 0


def test_says_what_to_install():
    ended = run(WITHOUT_PACKAGES, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

    assert ended.returncode != 0
    assert "uv sync --extra tracing" in ended.stderr
