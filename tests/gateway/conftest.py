import threading
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
import uvicorn
from django.db import connection
from openai import OpenAI

from config.request_id import RequestId
from finetuning.models import BasePrice
from models_registry import agents, api_keys
from models_registry.gateway.app import Gateway
from models_registry.models import UsageDay
from models_registry.usage import usage_of
from tests.factories import (
    FineTunedModelFactory,
    JobFactory,
    OrganizationFactory,
    ProviderAccountFactory,
    UserFactory,
)
from tests.gateway.upstream import Upstream, serve
from tests.threads import serving
from tests.waiting import wait_until

BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def organization(transactional_db):
    """Committed: the gateway looks it up from threads of its own."""
    return OrganizationFactory(name="Acme")


@pytest.fixture
def other_organization(transactional_db):
    return OrganizationFactory(name="Rivals")


@pytest.fixture
def upstream():
    found = Upstream()
    with serving(serve(found)):
        yield found
        found.go_on.set()


@dataclass
class Running:
    """A gateway on a real port."""

    url: str
    folder: object
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self):
        """End it as a deployment does. What it was asked is counted then."""
        self.server.should_exit = True
        self.thread.join()

    def client(self, key, **options):
        return OpenAI(base_url=self.url, api_key=key, max_retries=0, **options)

    def post(self, key, body, path="/chat/completions", **headers):
        given = {"Authorization": f"Bearer {key}", **headers}
        return httpx2.post(self.url + path, json=body, headers=given, timeout=60)


@pytest.fixture
def gateway(transactional_db, tmp_path):
    config = uvicorn.Config(
        RequestId(Gateway(tmp_path / "usage")), port=0, lifespan="on", log_level="warning", http="h11"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Running(f"http://127.0.0.1:{port}/v1", tmp_path / "usage", server, thread)
    yield running
    running.stop()


@pytest.fixture
def account(organization, upstream):
    account = ProviderAccountFactory(organization=organization, kind="compatible", base_url=upstream.url)
    for price in BasePrice.objects.filter(provider_kind="openai"):
        price.pk, price.provider_kind = None, "compatible"
        price.save()
    account.set_api_key("sk-of-the-provider")
    account.save()
    return account


@pytest.fixture
def make_model(organization, account):
    """A model that the provider calls by that name."""

    def make(name="real-model", **columns):
        job = JobFactory(organization=organization, provider_account=account, status="succeeded")
        columns = {"deployed": True, "provider_model_id": name} | columns
        return FineTunedModelFactory(organization=organization, job=job, **columns)

    return make


@pytest.fixture
def member(organization):
    return UserFactory(member_of=organization)


@pytest.fixture
def make_agent(organization, member):
    def make(name="support-bot", *, model, **columns):
        agent = agents.create_agent(organization, name=name, by=member)
        agent.point_at(model=model)
        return agents.update_agent(agent, **columns) if columns else agent

    return make


@pytest.fixture
def key(organization, member):
    return api_keys.issue_key(organization, by=member, name="Help desk")[1]


@pytest.fixture
def sandbox_bot(sandbox, organization, provider_account, make_agent):
    """The agent `support-bot`, which the sandbox answers."""
    job = JobFactory(organization=organization, provider_account=provider_account, status="succeeded")
    model = FineTunedModelFactory(
        organization=organization, job=job, deployed=True, provider_model_id=BASE, base_model=BASE
    )
    return make_agent(model=model)


@contextmanager
def away(table):
    """The database without one of its tables."""
    rename(table, f"{table}_away")
    try:
        yield
    finally:
        rename(f"{table}_away", table)


def rename(table, name):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


def usage():
    """All numbers together."""
    found = usage_of(UsageDay.objects.all())
    return found | {"tokens": found["prompt_tokens"] + found["completion_tokens"]}
