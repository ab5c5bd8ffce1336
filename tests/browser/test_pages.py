"""Every page is looked at by axe, by `make screenshots` and by `make bench-pages`, and asks the database seldom."""

from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from tests.browser.pages import NO_PAGES, PUBLIC, STATUSES, addresses
from tests.isolation.policy import OPERATIONS
from tests.isolation.routes import routes

MOST_QUERIES = 12


def test_knows_every_page(world):
    shown = {resolve(urlsplit(address).path).view_name for address in addresses(world).values()}

    assert pages() - shown == set(), (
        "Each of these needs an address in tests/browser/pages.py, or a line in NO_PAGES there."
    )


def test_knows_of_no_page_that_there_is_not():
    """A route of that name, which takes a GET, as tests/isolation tries."""
    assert NO_PAGES - routes_with_get() == set()


def pages():
    return routes_with_get() - NO_PAGES


def routes_with_get():
    found = {operation.route for operation in OPERATIONS.values() if operation.method == "GET"}
    return {name for name in found if not routes()[name].startswith("api/")}


@pytest.mark.django_db
def test_asks_the_database_at_most_twelve_times_for_a_page(world, user, client):
    found = {}
    for name, address in addresses(world).items():
        if name not in PUBLIC:
            client.force_login(user)
        with CaptureQueriesContext(connection) as sent:
            answer = client.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == STATUSES.get(name, 200), name
        found[name] = len(sent)

    assert {name: count for name, count in found.items() if count > MOST_QUERIES} == {}
