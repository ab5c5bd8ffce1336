"""What every answer says to the browser, on every operation, as a server over HTTPS sends it."""

import pytest
from django.test import Client

from tests.factories import PASSWORD, UserFactory
from tests.isolation.cast import ask, named_by, rolled_back
from tests.isolation.policy import OPERATIONS

pytestmark = pytest.mark.django_db

YEAR = 31_536_000


@pytest.fixture(autouse=True)
def https(settings):
    settings.SECURE_HSTS_SECONDS = YEAR
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True


def faults(answer):
    policy = answer["Content-Security-Policy"]
    wanted = {
        "Strict-Transport-Security": f"max-age={YEAR}; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    yield from (name for name, value in wanted.items() if not answer.get(name, "").startswith(value))
    yield from (
        directive
        for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
        if directive not in policy
    )
    if "no-store" not in answer.get("Cache-Control", ""):
        yield "Cache-Control"
    if "Access-Control-Allow-Origin" in answer:
        yield "Access-Control-Allow-Origin"
    if not answer.streaming and answer.content and not answer.get("Content-Type"):
        yield "Content-Type"
    if answer.get("Content-Type", "").startswith("text/") and "charset" not in answer["Content-Type"]:
        yield "charset"
    for cookie in answer.cookies.values():
        if not (cookie["secure"] and cookie["samesite"] in ("Lax", "Strict")):
            yield f"cookie {cookie.key}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_keeps_the_browser_from_harm(world, name):
    operation = OPERATIONS[name]

    found = {}
    for principal in ("owner", "anonymous"):
        with rolled_back():
            answer = ask(
                world.principals[principal],
                operation,
                named=named_by(operation, world.acme_rows),
                rows=world.acme_rows,
                headers={"X-Forwarded-Proto": "https", "Origin": "https://evil.example"},
            )
            found[principal] = list(faults(answer))

    assert {principal: wrong for principal, wrong in found.items() if wrong} == {}


def test_the_session_is_out_of_reach_of_scripts():
    user = UserFactory()

    client = Client(headers={"X-Forwarded-Proto": "https"})
    answer = client.post("/login", {"username": user.email, "password": PASSWORD})

    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["secure"]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT"])
def test_echoes_no_request(client, method):
    answer = client.generic(method, "/login", headers={"X-Marker": "canary"})

    assert answer.status_code == 405
    assert b"canary" not in answer.content


def test_a_page_asks_for_the_token_of_its_own_form(user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    answer = client.post("/settings/profile", {"name": "Changed"}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    user.refresh_from_db()
    assert user.first_name != "Changed"
