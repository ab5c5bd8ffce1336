"""Over plain HTTP a page is sent on to HTTPS, and a program is told to use it."""

import json

import pytest

from tests.config.test_asgi import ask

PLAIN, SECURE = [], [(b"x-forwarded-proto", b"https")]


@pytest.fixture(autouse=True)
def _https(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/api/auth/me", "/metrics", "/webhooks/providers/1"])
async def test_redirects_no_program(path):
    status, headers, body = await ask(path, *PLAIN, (b"x-request-id", b"mine-1"))

    problem = json.loads(body)
    assert (status, headers[b"content-type"]) == (403, b"application/problem+json")
    assert (problem["code"], problem["requestId"]) == ("https_required", "mine-1")
    assert b"location" not in {name.lower() for name in headers}


@pytest.mark.asyncio
async def test_tells_an_application_in_its_own_words():
    status, _, body = await ask("/v1/chat/completions", *PLAIN, (b"authorization", b"Bearer at-1"))

    assert (status, json.loads(body)["error"]["code"]) == (403, "https_required")


@pytest.mark.asyncio
async def test_lets_programs_through_that_use_https():
    status, _, body = await ask("/api/nowhere", *SECURE, method="GET")

    assert (status, json.loads(body)["code"]) == (404, "not_found")


@pytest.mark.asyncio
async def test_leaves_pages_to_django_which_sends_them_on(client):
    status, _, _ = await ask("/login", *PLAIN, method="GET")

    assert status == 200
    assert client.get("/login")["Location"] == "https://testserver/login"


@pytest.mark.asyncio
async def test_is_off_on_a_laptop(settings):
    settings.SECURE_SSL_REDIRECT = False

    status, _, _ = await ask("/api/nowhere", *PLAIN, method="GET")

    assert status == 404
