"""Every page is looked at by axe, by `make screenshots` and by `make bench-pages`, and asks the database seldom."""

from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from tests.browser.pages import NO_PAGES, PUBLIC, addresses
from tests.isolation.policy import routes

MOST_QUERIES = 12


def test_knows_every_page(world):
    """`routes` walks the URL resolver; what takes no GET answers 405."""
    shown = {resolve(urlsplit(address).path).view_name for address in addresses(world).values()}

    assert pages() - shown == set(), (
        "Each of these needs an address in tests/browser/pages.py, or a line in NO_PAGES there."
    )


def pages():
    return {name for name, path in routes().items() if not path.startswith("api/")} - NO_PAGES


@pytest.mark.django_db
def test_asks_the_database_at_most_twelve_times_for_a_page(world, user, client):
    found = {}
    for name, address in addresses(world).items():
        if name not in PUBLIC:
            client.force_login(user)
        with CaptureQueriesContext(connection) as sent:
            client.get(address, headers={"Accept": "text/html"})
        found[name] = len(sent)

    assert {name: count for name, count in found.items() if count > MOST_QUERIES} == {}
