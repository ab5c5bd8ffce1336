"""The cast: `user` acts, `colleague` is in the same organization, `outsider` in another, `viewer` may look.

`admin` and `owner` are in the organization of `user`, too; `operator` is in none and runs the installation.
"""

import gc
import io
import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module

import hypothesis
import pytest
from django.apps import apps
from django.test import Client
from rest_framework.test import APIClient

from finetuning.api.tokens import issue_tokens
from finetuning.models import BasePrice
from finetuning.sandbox import faults, jobs
from finetuning.sandbox.app import SandboxApp, create_app
from finetuning.sandbox.http import Request
from finetuning.sandbox.server import SandboxServer
from finetuning.sandbox.settings import SandboxSettings
from tests.factories import OrganizationFactory, ProviderAccountFactory, UserFactory
from tests.threads import serving

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The longest tests come first, so that at the end no worker waits for another."""
    items.sort(key=lambda item: item.path.parent.name not in {"operations", "browser"})


def pytest_collection_finish():
    # Thousands of tests are no garbage; a third of the time of looking for some went into them.
    gc.freeze()


def fill_price_book():
    """Put back what the migration puts there: a test that commits leaves all tables empty behind it."""
    if not BasePrice.objects.exists():
        import_module("finetuning.migrations.0010_price_book").fill(apps, None)
        import_module("finetuning.migrations.0013_sandbox_reinforces").forget(apps, None)
        import_module("models_registry.migrations.0008_plain_prices").fill(apps, None)


@pytest.fixture(autouse=True)
def price_book(request, _django_db_helper):
    """Each test with a database finds the price book as it is after the migrations."""
    if request.node.get_closest_marker("django_db") or {"db", "transactional_db"} & {*request.fixturenames}:
        fill_price_book()


@pytest.fixture
def organization(db):
    return OrganizationFactory(name="Acme")


@pytest.fixture
def other_organization(db):
    return OrganizationFactory(name="Rivals")


@pytest.fixture
def user(organization):
    return UserFactory(email="user@example.com", member_of=organization)


@pytest.fixture
def signed_in(client, user):
    """A browser in which `user` is signed in."""
    client.force_login(user)
    return client


@pytest.fixture
def colleague(organization):
    return UserFactory(email="colleague@example.com", member_of=organization)


@pytest.fixture
def viewer(organization):
    return UserFactory(email="viewer@example.com", member_of=organization, member_of__role="viewer")


@pytest.fixture
def admin(organization):
    return UserFactory(email="admin@example.com", member_of=organization, member_of__role="admin")


@pytest.fixture
def owner(organization):
    return UserFactory(email="owner@example.com", member_of=organization, member_of__role="owner")


@pytest.fixture
def operator(db):
    return UserFactory(email="operator@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def operator_client(operator):
    """The operator's browser."""
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def outsider(other_organization):
    return UserFactory(email="outsider@example.com", member_of=other_organization, member_of__role="owner")


def api_client(user):
    """A client that sends JSON and an access token for the first organization of `user`."""
    tokens = issue_tokens(user.memberships.order_by("created_at", "id").first())
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    client.default_format = "json"
    return client


@pytest.fixture
def api(user):
    return api_client(user)


@pytest.fixture
def viewer_api(viewer):
    return api_client(viewer)


@pytest.fixture
def admin_api(admin):
    return api_client(admin)


@pytest.fixture
def owner_api(owner):
    return api_client(owner)


@pytest.fixture
def outsider_api(outsider):
    return api_client(outsider)


@pytest.fixture
def provider_account(organization):
    """The organization's account at the sandbox. Calls need the fixture `sandbox` too."""
    return ProviderAccountFactory(organization=organization, name="sandbox", is_default=True)


@dataclass
class Clock:
    """Unix seconds that pass only when a test says so."""

    now: float = 1_795_000_000.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        with self.lock:
            self.now += seconds


@dataclass(frozen=True)
class Sandbox:
    url: str
    clock: Callable[[], float]
    app: SandboxApp

    def fail(self, *wanted):
        """Set faults: `sandbox.fail(Fault(kind="drop_after", times=1))`."""
        faults.add(self.app.sandbox, list(wanted))

    def behave(self):
        """Take all faults back."""
        with self.app.sandbox.store.write() as db:
            db.execute("DELETE FROM faults")

    def ledger(self):
        """What really happened there, by the reference of our jobs."""
        request = Request.from_environ({"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()})
        return json.loads(b"".join(jobs.ledger(self.app.sandbox, request).body))


@contextmanager
def running_sandbox(folder, *, clock=time.time, **settings):
    """A sandbox provider on a real port."""
    app = create_app(SandboxSettings(data_dir=folder, clock=clock, **settings))
    with serving(SandboxServer(app, "127.0.0.1", 0)) as server:
        yield Sandbox(url=f"http://127.0.0.1:{server.server_port}", clock=clock, app=app)


@pytest.fixture
def sandbox(settings, tmp_path):
    """`sandbox.clock.advance(seconds)` lets its time pass."""
    with running_sandbox(tmp_path / "sandbox", clock=Clock()) as running:
        settings.SANDBOX_URL = running.url
        yield running
