"""The playground between a browser and a provider, with the whole site in between."""

import re
import threading
from dataclasses import dataclass

import httpx2
import pytest
import uvicorn

from config.asgi import site as django_site
from models_registry.gateway.app import Gateway
from models_registry.gateway.journal import fold_released
from tests.factories import UserFactory
from tests.gateway.conftest import account, make_agent, make_model, member, organization, upstream, usage
from tests.waiting import wait_until

__all__ = ["account", "make_agent", "make_model", "member", "organization", "upstream"]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.GATEWAY_FOLDER = tmp_path / "usage"
    return settings.GATEWAY_FOLDER


@pytest.fixture
def counted(folder):
    """All numbers together, those of calls included that wait in the folder."""

    def counted():
        fold_released(folder)
        return usage()

    return counted


@pytest.fixture
def viewer(organization):
    return UserFactory(member_of=organization, member_of__role="viewer")


@pytest.fixture
def signed_in(client, member):
    client.force_login(member)
    return client


@dataclass
class Site:
    """The site on a real port, and a browser in it."""

    url: str
    browser: httpx2.Client

    def form(self, model, message="Hi", **fields):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.browser.get("/playground").text)
        return {"csrfmiddlewaretoken": token.group(1), **asking(model, message, **fields)}

    def ask(self, model, message="Hi", **fields):
        return self.browser.stream("POST", "/playground/ask", data=self.form(model, message, **fields))


@pytest.fixture
def site(folder, signed_in):
    gateway = Gateway(folder)

    async def application(scope, receive, send):
        await (gateway if scope["type"] == "lifespan" else django_site)(scope, receive, send)

    config = uvicorn.Config(application, port=0, lifespan="on", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    cookies = {"sessionid": signed_in.cookies["sessionid"].value}
    with httpx2.Client(base_url=url, cookies=cookies, timeout=60) as browser:
        yield Site(url, browser)
    server.should_exit = True
    thread.join()


def asking(model, message="Hi", **fields):
    """The form as the page sends it."""
    return {
        "first": f"model:{model.pk}",
        "turns-TOTAL_FORMS": "1",
        "turns-INITIAL_FORMS": "0",
        "turns-0-role": "user",
        "turns-0-content": message,
        **fields,
    }
