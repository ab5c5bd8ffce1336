import pytest
from django.urls import reverse
from django.utils import timezone

from models_registry.models import ApiKey
from tests.conftest import api_client
from tests.factories import FineTunedModelFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(organization):
    return organization.agents.create(
        name="support-bot", model=FineTunedModelFactory(organization=organization)
    )


def test_stores_no_key_in_clear(organization):
    key, clear = organization.api_keys.issue(name="Desk")

    stored = " ".join(str(value) for value in ApiKey.objects.filter(pk=key.pk).values_list()[0])
    assert clear.startswith("at-")
    assert clear not in stored
    assert clear.removeprefix(key.prefix) not in stored


def test_knows_its_own_clear_text(organization):
    key, clear = organization.api_keys.issue(name="Desk")
    _, other = organization.api_keys.issue(name="Other")

    assert key.matches(clear)
    assert not key.matches(other)
    assert not key.matches(key.prefix)


@pytest.mark.parametrize(
    ("scope", "own", "foreign", "direct"),
    [("none", True, True, True), ("agent", True, False, False), ("workspace", True, False, False)],
)
def test_is_limited_to_its_scopes(organization, agent, scope, own, foreign, direct):
    workspace = organization.workspaces.create(name="Support")
    agent.workspace = workspace
    agent.save()
    other = organization.agents.create(name="sales-bot", model=agent.model)
    key, _ = organization.api_keys.issue(name="Desk")
    key.agents.set([agent] if scope == "agent" else [])
    key.workspaces.set([workspace] if scope == "workspace" else [])

    assert key.allows(agent=agent, model=agent.model) is own
    assert key.allows(agent=other, model=agent.model) is foreign
    assert key.allows(agent=None, model=agent.model) is direct


def test_revoking_again_keeps_the_first_time(organization):
    key, _ = organization.api_keys.issue(name="Desk")
    first = timezone.now()

    key.revoke(now=first)
    key.revoke(now=timezone.now())

    assert key.revoked_at == first


def test_api_shows_a_key_once(admin_api, agent):
    issued = admin_api.post(
        "/api/keys", {"name": "Desk", "agentIds": [str(agent.pk)], "requestsPerMinute": 60}
    )
    body = issued.json()
    shown = admin_api.get(f"/api/keys/{body['id']}").json()

    assert (issued.status_code, issued["Cache-Control"]) == (201, "no-store")
    assert ApiKey.objects.get().matches(body["key"])
    assert "key" not in shown
    assert (shown["prefix"], shown["agentIds"]) == (body["key"][:11], [str(agent.pk)])


def test_api_revokes_a_key_and_keeps_its_row(admin_api):
    body = admin_api.post("/api/keys", {"name": "Desk"}).json()

    revoked = admin_api.delete(f"/api/keys/{body['id']}")

    assert revoked.status_code == 204
    assert admin_api.get(f"/api/keys/{body['id']}").json()["revokedAt"] is not None


def test_api_gives_no_key_for_a_foreign_agent(outsider_api, agent):
    answer = outsider_api.post("/api/keys", {"name": "Desk", "agentIds": [str(agent.pk)]})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/agentIds/0")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("who", ["viewer", "user"])
def test_only_admins_make_and_revoke_keys(request, who, organization):
    key, _ = organization.api_keys.issue(name="Desk")
    client = api_client(request.getfixturevalue(who))

    made = client.post("/api/keys", {"name": "Mine"})
    revoked = client.delete(f"/api/keys/{key.pk}")

    key.refresh_from_db()
    assert (made.status_code, revoked.status_code, key.is_live) == (403, 403, True)


def test_page_shows_the_clear_text_once(client, admin, agent):
    client.force_login(admin)
    url = reverse("keys:list")

    made = client.post(url, {"name": "Desk", "agents": [str(agent.pk)]})
    later = client.get(url)

    clear = made.context["clear"]
    assert ApiKey.objects.get().matches(clear)
    assert clear in made.text
    assert "no-store" in made["Cache-Control"]
    assert clear not in later.text
    assert ApiKey.objects.get().prefix in later.text


def test_page_refuses_a_key_without_a_name(client, admin):
    client.force_login(admin)

    answer = client.post(reverse("keys:list"), {"name": ""})

    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_page_revokes(client, admin, organization):
    client.force_login(admin)
    key, _ = organization.api_keys.issue(name="Desk")

    client.post(reverse("keys:revoke", args=[key.pk]))

    key.refresh_from_db()
    assert not key.is_live
    assert "revoked" in client.get(reverse("keys:list")).text


def test_page_tells_members_who_makes_keys(client, user, organization):
    key, _ = organization.api_keys.issue(name="Desk")
    client.force_login(user)

    page = client.get(reverse("keys:list")).text
    made = client.post(reverse("keys:list"), {"name": "Mine"})
    revoked = client.post(reverse("keys:revoke", args=[key.pk]))

    assert "made and revoked by admins" in page
    assert "Make a key" not in page
    assert (made.status_code, revoked.status_code, ApiKey.objects.live().count()) == (403, 403, 1)
