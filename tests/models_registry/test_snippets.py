"""What stands on pages to be pasted works when it is pasted."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.urls import reverse

from tests.gateway.conftest import gateway, key, make_agent, member, sandbox_bot

__all__ = ["gateway", "key", "make_agent", "member", "sandbox_bot"]
STAND_IN = """curl() { "$PYTHON" "$CURL" -s "$@"; }\n"""


@pytest.fixture(params=["python", "curl"])
def run(request, settings):
    """Runs a snippet of a page in that language, as somebody who has set the key that it reads."""
    found = {"PYTHON": sys.executable, "CURL": str(settings.BASE_DIR / "tests" / "curl.py")}

    def run(page, **keys):
        [name] = keys
        snippet = snippet_of(page, f"{request.param}-{name.lower()}")
        command = {
            "python": [sys.executable, "-c", snippet],
            "curl": ["bash", "-c", snippet if shutil.which("curl") else STAND_IN + snippet],
        }
        environment = os.environ | found | keys
        done = subprocess.run(command[request.param], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def snippet_of(page, name):
    return unescape(re.search(rf'<code id="{name}">(.*?)</code>', page, flags=re.DOTALL)[1])


@pytest.fixture
def open_page(client, member, gateway):
    """Opens a page of the server that also is the gateway."""
    client.force_login(member)
    return lambda row, route: (
        client.get(reverse(route, args=[row.pk]), headers={"Host": urlsplit(gateway.url).netloc}).text
    )


def test_a_deployed_model_is_called_through_the_gateway(open_page, run, sandbox_bot, key):
    shown = open_page(sandbox_bot.model, "models_registry:detail")

    assert "You said: Hello" in run(shown, ATTUNE_API_KEY=key)


def test_a_deployed_model_is_called_at_the_provider(open_page, run, sandbox_bot):
    shown = open_page(sandbox_bot.model, "models_registry:detail")

    assert "You said: Hello" in run(shown, OPENAI_API_KEY="sk-any")


def test_an_agent_is_called(open_page, run, sandbox_bot, key):
    shown = open_page(sandbox_bot, "agents:detail")

    assert "You said: Hello" in run(shown, ATTUNE_API_KEY=key)


def test_a_model_that_is_not_deployed_shows_no_call_that_would_be_refused(open_page, sandbox_bot):
    model = sandbox_bot.model
    type(model).objects.filter(pk=model.pk).update(deployed=False)

    shown = open_page(model, "models_registry:detail")

    assert "attune_api_key" not in shown
    assert "Deploy it, and" in shown
