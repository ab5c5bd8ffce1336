"""Lists cost the same queries however many rows they have, and pages follow each other without a gap."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets.models import Conversation, DatasetProblem
from finetuning.models import WebhookEndpoint, Workspace
from models_registry.models import Agent, AgentSwitch
from tests.conftest import api_client
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory, UserFactory

pytestmark = pytest.mark.django_db
API = "/api/fine-tuning"


@pytest.fixture
def owner(organization):
    return UserFactory(member_of=organization, member_of__role="owner")


class Lists:
    """Adds rows to each list; the method's name is the list, its value the address."""

    def __init__(self, organization, user):
        self.organization, self.user = organization, user
        self.own = {"organization": organization, "created_by": user}
        self.dataset = DatasetFactory(**self.own)
        self.job = JobFactory(**self.own, dataset=self.dataset)
        self.agent = Agent.objects.create(**self.own, name="bot")
        self.endpoint = WebhookEndpoint(organization=organization, url="https://example.com", event_types=[])
        self.endpoint.set_new_secret()
        self.endpoint.save()

    def datasets(self, count):
        DatasetFactory.create_batch(count, **self.own)
        return f"{API}/datasets"

    def examples(self, count):
        start = self.dataset.examples.count()
        for position in range(start, start + count):
            self.dataset.examples.create(position=position, line=position + 1, messages=[], token_count=1)
            DatasetProblem.objects.create(
                dataset=self.dataset, code="x", severity="warning", line=position + 1, message="x"
            )
        return f"{API}/datasets/{self.dataset.pk}/examples"

    def conversations(self, count):
        for _ in range(count):
            Conversation.objects.create(**self.own, messages=[])
        return "/api/conversations"

    def jobs(self, count):
        for _ in range(count):
            FineTunedModelFactory(**self.own, job=JobFactory(**self.own, status="succeeded"))
        return f"{API}/jobs"

    def events(self, count):
        for _ in range(count):
            self.job.events.create(event_type="status", message="x")
        return f"{API}/jobs/{self.job.pk}/events"

    def models(self, count):
        FineTunedModelFactory.create_batch(count, **self.own)
        return f"{API}/models"

    def agents(self, count):
        models = [FineTunedModelFactory(**self.own) for _ in range(count)]
        for model in models:
            Agent.objects.create(**self.own, name=f"a{model.pk}", model=model, fallback_model=model)
        return "/api/agents"

    def switches(self, count):
        for _ in range(count):
            model = FineTunedModelFactory(**self.own)
            AgentSwitch.objects.create(
                agent=self.agent,
                model=model,
                action="deployed",
                created_by=self.user,
                created_at=timezone.now(),
            )
        return f"/api/agents/{self.agent.pk}/switches"

    def keys(self, count):
        for _ in range(count):
            key, _ = self.organization.api_keys.issue(name="x", created_by=self.user)
            key.agents.add(self.agent)
            key.workspaces.add(Workspace.objects.create(organization=self.organization, name=key.prefix))
        return "/api/keys"

    def endpoints(self, count):
        for _ in range(count):
            self.endpoint.pk, self.endpoint._state.adding = None, True
            self.endpoint.pk = self.endpoint._meta.pk.get_default()
            self.endpoint.save()
        return "/api/webhooks/endpoints"

    def deliveries(self, count):
        for _ in range(count):
            self.endpoint.queue("job.failed", {})
        return f"/api/webhooks/endpoints/{self.endpoint.pk}/deliveries"


LISTS = [name for name, value in vars(Lists).items() if callable(value) and name != "__init__"]


@pytest.mark.parametrize("name", LISTS)
def test_costs_the_same_queries_with_more_rows(organization, owner, name):
    lists, client = Lists(organization, owner), api_client(owner)
    counts, sizes = [], []

    for more in (2, 18):
        address = getattr(lists, name)(more)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        counts.append(len(queries))
        sizes.append(len(answer.json()["data"]))

    assert answer.status_code == 200
    assert sizes[0] < sizes[1] == 20
    assert counts[0] == counts[1]


def test_follows_rows_of_one_moment_without_a_gap(organization, user, api):
    jobs = JobFactory.create_batch(5, organization=organization)
    organization.jobs.update(created_at=timezone.now())
    seen, cursor = [], None

    while cursor or not seen:
        page = api.get(f"{API}/jobs", {"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]

    assert seen == sorted((str(job.pk) for job in jobs), reverse=True)


@pytest.mark.parametrize(
    ("limit", "billed"), [(16_385, 16_385 + 16_385 + 10), (65_536, 65_536 + 20_000 + 10)]
)
def test_bills_what_a_base_model_reads_of_each_example(organization, limit, billed):
    dataset = DatasetFactory(organization=organization, total_tokens=100_000 + 20_000 + 10)
    for position, tokens in enumerate((100_000, 20_000, 10)):
        dataset.examples.create(position=position, line=position + 1, messages=[], token_count=tokens)

    assert dataset.billable_tokens(limit) == billed
