"""Another organization's rows do not exist: on every route, in every reference, in every list.

A route without a row in ROUTES fails `test_knows_every_route`, so nobody can forget one.
"""

from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, get_resolver, reverse
from rest_framework.test import APIClient

from finetuning.models import WebhookEndpoint
from tests.conftest import api_client
from tests.factories import FineTunedModelFactory, OrganizationFactory

pytestmark = pytest.mark.django_db
CANARY = "Canary of Acme"
METHODS = ("get", "post", "put", "patch", "delete")
NOBODY = UUID(int=0)

ROUTES = {
    "public": [
        *("login", "logout", "healthz", "readyz", "metrics", "api-schema", "api-docs", "api-redoc"),
        *("token", "token-refresh", "token-revoke", "", "providers:webhook"),
    ],
    "list": [
        *("finetuning:dashboard", "finetuning:organizations", "datasets:list", "datasets:new"),
        *(
            "datasets:cards",
            "datasets:sample",
            "jobs:list",
            "jobs:rows",
            "jobs:new",
            "jobs:estimate",
            "models_registry:list",
        ),
        *("agents:list", "keys:list", "agent-list", "key-list"),
        *("me", "switch-organization", "base-model-list", "conversation-list", "dataset-list"),
        *("dataset-stats", "dataset-import-from-conversations", "job-list", "job-stats", "job-estimate-cost"),
        *("model-list", "model-stats", "webhooks:list", "webhooks:new", "webhook-endpoint-list"),
    ],
    "organization": ["finetuning:switch-organization"],
    "dataset": [
        *("datasets:detail", "datasets:status", "datasets:problems", "datasets:validate"),
        *("datasets:edit", "datasets:delete"),
        *("dataset-detail", "dataset-validate", "dataset-examples"),
    ],
    "job": [
        *("jobs:detail", "jobs:progress", "jobs:metrics", "jobs:events", "jobs:log", "jobs:cancel"),
        *("job-detail", "job-cancel", "job-events", "job-sync"),
    ],
    "endpoint": [
        *("webhooks:detail", "webhooks:edit", "webhooks:rotate", "webhooks:test", "webhooks:delete"),
        *("webhooks:delivery", "webhooks:resend"),
        *("webhook-endpoint-detail", "webhook-endpoint-rotate-secret", "webhook-endpoint-test"),
        *("webhook-endpoint-deliveries", "webhook-endpoint-delivery", "webhook-endpoint-resend"),
    ],
    "model": [
        *("models_registry:detail", "models_registry:deploy", "models_registry:undeploy"),
        *("models_registry:archive", "models_registry:delete", "models_registry:try"),
        *("model-detail", "model-deploy", "model-undeploy", "model-archive", "model-usage"),
    ],
    "agent": [
        *("agents:detail", "agents:split", "agents:settings", "agents:roll-back"),
        *("agent-detail", "agent-split", "agent-roll-back", "agent-switches"),
    ],
    "key": ["keys:revoke", "key-detail"],
}
OBJECT_ROUTES = [(kind, name) for kind in ROUTES if kind not in ("public", "list") for name in ROUTES[kind]]


def walk(patterns, namespace=""):
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name or ''}", pattern
        elif pattern.namespace != "admin":
            yield from walk(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)


@pytest.fixture
def foreign(organization, user):
    """Rows of Acme, one of each kind, to which the outsider has no right."""
    model = FineTunedModelFactory(organization=organization, name=CANARY)
    for row in (model.job, model.job.dataset):
        row.name = CANARY
        row.save(update_fields=["name"])
    organization.conversations.record(messages=[{"role": "user", "content": CANARY}])
    agent = organization.agents.create(name=CANARY)
    key, _ = organization.api_keys.issue(name=CANARY)
    endpoint = WebhookEndpoint(
        organization=organization, url="https://example.com/", description=CANARY, event_types=["job.failed"]
    )
    endpoint.set_new_secret()
    endpoint.save()
    rows = {"dataset": model.job.dataset, "job": model.job, "model": model, "agent": agent, "key": key}
    rows["endpoint"] = endpoint
    return rows | {"organization": organization}


@pytest.fixture
def intruder(outsider):
    """The outsider, signed in both ways at once."""
    client = api_client(outsider)
    client.force_login(outsider)
    return client


def snapshot(foreign):
    return [list(type(row)._base_manager.filter(pk=row.pk).values()) for row in foreign.values()]


def path_of(name, pk):
    pattern = dict(walk(get_resolver().url_patterns))[name]
    return reverse(name, kwargs=dict.fromkeys(pattern.pattern.converters, pk))


def test_knows_every_route():
    known = {name for names in ROUTES.values() for name in names}

    assert {name for name, _ in walk(get_resolver().url_patterns)} == known


def test_lists_only_routes_without_an_id_as_such():
    by_name = dict(walk(get_resolver().url_patterns))

    assert [name for name in ROUTES["list"] if by_name[name].pattern.converters] == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "name"), OBJECT_ROUTES)
def test_answers_a_foreign_row_like_a_missing_one(intruder, foreign, kind, name, method):
    before = snapshot(foreign)
    row = foreign[kind]

    answer = getattr(intruder, method)(path_of(name, row.pk))
    missing = getattr(intruder, method)(path_of(name, NOBODY))

    assert answer.status_code in (404, 405)
    assert answer.status_code == missing.status_code
    assert CANARY not in answer.content.decode()
    assert snapshot(foreign) == before


@pytest.mark.parametrize("name", [name for name in ROUTES["list"] if name != "jobs:estimate"])
def test_lists_nothing_foreign(intruder, foreign, name):
    answer = intruder.get(reverse(name))

    assert answer.status_code in (200, 405)
    assert CANARY not in answer.content.decode()
    assert not any(str(row.pk) in answer.content.decode() for row in foreign.values())


@pytest.mark.parametrize(
    "name", [name for kind, names in ROUTES.items() if kind != "public" for name in names]
)
def test_tells_nothing_to_the_unknown(foreign, name):
    pk = next((foreign[kind].pk for kind, known in OBJECT_ROUTES if known == name), None)
    path = path_of(name, pk)

    answer = APIClient().get(path)

    assert answer.status_code in ((401,) if path.startswith("/api/") else (302, 405))


@pytest.mark.parametrize("name", ["dataset-list", "dataset-stats", "job-list", "job-stats", "model-list"])
def test_filters_by_no_foreign_workspace(intruder, name):
    workspace = OrganizationFactory().workspaces.create(name="Secret")

    foreign_answer = intruder.get(reverse(name), {"workspaceId": str(workspace.pk)})
    missing_answer = intruder.get(reverse(name), {"workspaceId": str(NOBODY)})

    assert foreign_answer.status_code == 400
    assert foreign_answer.json()["errors"] == missing_answer.json()["errors"]


@pytest.mark.parametrize("name", ["job-list", "job-estimate-cost"])
def test_refers_to_no_foreign_dataset(intruder, foreign, outsider, name):
    order = {"name": "x", "baseModel": "gpt-4.1-mini", "datasetId": str(foreign["dataset"].pk)}
    order = order if name == "job-list" else {key: order[key] for key in ("baseModel", "datasetId")}

    answer = intruder.post(reverse(name), order)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/datasetId")
    assert not outsider.organizations.get().jobs.exists()


def test_puts_nothing_into_a_foreign_workspace(intruder, outsider):
    workspace = OrganizationFactory().workspaces.create(name="Secret")
    place = {"workspaceId": str(workspace.pk)}
    file = SimpleUploadedFile("a.jsonl", b"{}")

    answers = [
        intruder.post(reverse("dataset-list"), {"name": "x", "file": file, **place}, format="multipart"),
        intruder.post(reverse("dataset-import-from-conversations"), {"name": "x", **place}),
        intruder.post(reverse("conversation-list"), {"messages": [{"role": "user"}], **place}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert not outsider.organizations.get().datasets.exists()
