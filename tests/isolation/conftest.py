import pytest
from django.test import override_settings

from tests.conftest import fill_price_book
from tests.isolation.cast import build_world, rolled_back


@pytest.fixture(scope="module")
def shared_world(django_db_setup, django_db_blocker):
    """Built once for a module. Each test runs in a savepoint of it, which `db` undoes."""
    # No provider answers at that address; webhooks may be sent to this machine.
    here = override_settings(SANDBOX_URL="http://127.0.0.1:9", WEBHOOK_ALLOWED_NETWORKS=["127.0.0.0/8"])
    with django_db_blocker.unblock(), here, rolled_back():
        fill_price_book()
        yield build_world()


@pytest.fixture
def world(shared_world, db):
    return shared_world
