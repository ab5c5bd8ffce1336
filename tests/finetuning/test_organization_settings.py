"""The organization itself, its workspaces, and one's own profile."""

import pytest
from django.urls import reverse
from django.utils import timezone

from finetuning.models import Organization
from finetuning.organizations import services
from jobs.models import Job
from tests.conftest import api_client
from tests.factories import PASSWORD, DatasetFactory, JobFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db
ORGANIZATION = "/api/organization"
WORKSPACES = "/api/workspaces"


def test_an_admin_renames_the_organization(viewer_api, admin_api, organization):
    answer = admin_api.patch(ORGANIZATION, {"name": "Acme & Sons"})

    assert (answer.status_code, answer.json()["name"]) == (200, "Acme & Sons")
    assert viewer_api.get(ORGANIZATION).json() == answer.json()


def test_an_admin_caps_the_spending(admin, admin_api, client, organization):
    answer = admin_api.patch(ORGANIZATION, {"monthlyCapUsd": 12.5})
    assert (answer.status_code, answer.json()["monthlyCapUsd"]) == (200, 12.5)
    organization.refresh_from_db()
    assert organization.mark_cap_warned(timezone.now().date().replace(day=1))

    client.force_login(admin)
    client.post(reverse("settings:spending"), {"monthly_cap_usd": ""})

    organization.refresh_from_db()
    assert (organization.monthly_cap_usd, organization.cap_warned_on) == (None, None)


def test_says_on_the_page_how_much_of_the_cap_is_used(admin, client, organization):
    organization.cap_spending(10, now=timezone.now())
    organization.usage_days.create(day=timezone.now().date(), provider_model_id="m", price_usd="8.50")
    client.force_login(admin)

    page = client.get(reverse("settings:organization")).content.decode()

    assert (
        "85 % of this month&#x27;s cap are used up." in page
        or "85 % of this month's cap are used up." in page
    )
    assert client.post(reverse("settings:spending"), {"monthly_cap_usd": "-1"}).status_code == 422


def test_says_of_how_many_tokens_the_price_is_not_known(admin, client, organization):
    organization.usage_days.create(
        day=timezone.now().date(), provider_model_id="m", price_usd="8.50", unpriced_tokens=1_234
    )
    client.force_login(admin)

    page = client.get(reverse("settings:organization")).content.decode()

    assert "have cost $8.50 this month. The price of 1,234 tokens is not known" in page


@pytest.mark.parametrize("who", ["viewer", "user"])
def test_others_rename_and_found_nothing_in_it(request, who, organization):
    api = api_client(request.getfixturevalue(who))
    workspace = organization.workspaces.create(name="Support")

    answers = [
        api.patch(ORGANIZATION, {"name": "Mine"}),
        api.post(WORKSPACES, {"name": "Mine"}),
        api.patch(f"{WORKSPACES}/{workspace.pk}", {"name": "Mine"}),
        api.delete(f"{WORKSPACES}/{workspace.pk}"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert api.get(f"{WORKSPACES}/{workspace.pk}").json()["name"] == "Support"


@pytest.mark.parametrize("who", ["viewer", "user", "admin"])
def test_only_an_owner_deletes_the_organization(request, who, organization, client):
    actor = request.getfixturevalue(who)
    client.force_login(actor)

    through_api = api_client(actor).delete(f"{ORGANIZATION}?name=Acme")
    on_the_page = client.post(reverse("settings:delete-organization"), {"name": "Acme"})

    assert (through_api.status_code, on_the_page.status_code) == (403, 403)
    assert Organization.objects.filter(pk=organization.pk).exists()


@pytest.mark.parametrize("query", ["", "?name=", "?name=acme", "?name=Acme%20"])
def test_deletes_nothing_without_the_name(owner_api, organization, query):
    answer = owner_api.delete(ORGANIZATION + query)

    refused = answer.json()["errors"][0]
    assert answer.status_code == 400
    assert refused.get("parameter") == "name" or refused["pointer"] == "/name"
    assert Organization.objects.filter(pk=organization.pk).exists()


def test_a_deleted_organization_shuts_everybody_out_at_once(owner_api, api, user, client, organization):
    client.force_login(user)

    deleted = owner_api.delete(f"{ORGANIZATION}?name=Acme")

    assert deleted.status_code == 204
    assert [one.get("/api/auth/me").status_code for one in (owner_api, api)] == [401, 401]
    assert client.get(reverse("finetuning:dashboard")).status_code == 403
    sign_in = client.post(
        "/api/auth/token", {"email": user.email, "password": PASSWORD}, content_type="application/json"
    )
    assert (sign_in.status_code, sign_in.json()["code"]) == (409, "no_organization")


def test_a_deleted_organization_stops_its_jobs(owner, organization):
    pending = JobFactory(organization=organization)
    running = JobFactory(
        organization=organization,
        status="running",
        create_intent_at=timezone.now(),
        provider_job_id="ftjob-1",
    )
    done = JobFactory(organization=organization, status="succeeded")

    services.delete_organization(organization, by=owner, name="Acme")

    for job in (pending, running, done):
        job.refresh_from_db()
    assert (pending.status, running.status, done.status) == ("cancelled", "running", "succeeded")
    assert running.cancel_requested_at is not None
    assert done.cancel_requested_at is None
    assert running in Job.objects.due(timezone.now())


def test_an_operator_brings_an_organization_back(admin_client, owner, organization, api):
    services.delete_organization(organization, by=owner, name="Acme")
    listed = admin_client.get(reverse("admin:finetuning_organization_changelist"))

    admin_client.post(
        reverse("admin:finetuning_organization_changelist"),
        {"action": "restore", "_selected_action": [str(organization.pk)]},
    )

    assert "Acme" in listed.text
    assert api.get("/api/auth/me").status_code == 200


def test_a_viewer_founds_an_organization_and_owns_it(viewer_api, viewer):
    answer = viewer_api.post("/api/organizations", {"name": "Side project"})

    founded = viewer.organizations.get(name="Side project")
    assert (answer.status_code, answer.json()["id"]) == (201, str(founded.pk))
    assert viewer.memberships.get(organization=founded).role == "owner"
    assert founded.provider_accounts.enabled().exists()


def test_nobody_owns_any_number_of_organizations(viewer_api, monkeypatch):
    monkeypatch.setattr(services, "MAX_OWNED_ORGANIZATIONS", 1)

    answers = [viewer_api.post("/api/organizations", {"name": "More"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 409]


def test_page_founds_an_organization_for_somebody_who_has_none(client):
    client.force_login(UserFactory())

    answer = client.post(reverse("finetuning:organizations"), {"name": "First"}, follow=True)

    assert "You are now working in First." in answer.text


def test_workspaces_are_added_renamed_and_deleted(admin_api, organization):
    made = admin_api.post(WORKSPACES, {"name": "Support"}).json()
    path = f"{WORKSPACES}/{made['id']}"
    renamed = admin_api.patch(path, {"name": "SUPPORT"}).json()
    listed = admin_api.get(WORKSPACES).json()["data"]
    deleted = admin_api.delete(path)

    assert (renamed["name"], [row["name"] for row in listed]) == ("SUPPORT", ["SUPPORT"])
    assert (deleted.status_code, organization.workspaces.count()) == (204, 0)


@pytest.mark.parametrize("verb", ["post", "patch"])
def test_two_workspaces_have_two_names(admin_api, organization, verb):
    organization.workspaces.create(name="Support")
    other = organization.workspaces.create(name="Sales")
    OrganizationFactory().workspaces.create(name="Legal")
    path = WORKSPACES if verb == "post" else f"{WORKSPACES}/{other.pk}"

    taken = getattr(admin_api, verb)(path, {"name": "support"})
    free = getattr(admin_api, verb)(path, {"name": "Legal"})

    assert (taken.status_code, taken.json()["code"]) == (409, "workspace_name_taken")
    assert free.status_code == (201 if verb == "post" else 200)


@pytest.mark.parametrize("content", ["dataset", "deleted dataset", "key"])
def test_a_workspace_with_rows_stays(admin_api, organization, content):
    workspace = organization.workspaces.create(name="Support")
    if content == "key":
        key, _ = organization.api_keys.issue(name="Desk")
        key.workspaces.set([workspace])
    else:
        deleted_at = timezone.now() if content.startswith("deleted") else None
        DatasetFactory(organization=organization, workspace=workspace, deleted_at=deleted_at)

    answer = admin_api.delete(f"{WORKSPACES}/{workspace.pk}")

    assert (answer.status_code, answer.json()["code"]) == (409, "workspace_in_use")
    assert organization.workspaces.exists()


# The pages


def test_pages_show_members_what_they_may_not_change(client, user, organization):
    workspace = organization.workspaces.create(name="Support")
    client.force_login(user)
    names = (
        "settings:organization",
        "settings:workspaces",
        "provider_accounts:list",
        "provider_accounts:new",
    )

    pages = [client.get(reverse(name)) for name in names]
    pages.append(client.get(reverse("settings:workspace", args=[workspace.pk])))

    assert [page.status_code for page in pages] == [200] * 5
    for page in pages:
        assert "dmins" in page.text
        assert 'action="/settings' not in page.text
        assert '<form method="post">' not in page.text


def test_page_renames_and_deletes_the_organization(client, owner, organization):
    client.force_login(owner)

    client.post(reverse("settings:organization"), {"name": "Acme & Sons"})
    refused = client.post(reverse("settings:delete-organization"), {"name": "Acme"})
    deleted = client.post(reverse("settings:delete-organization"), {"name": "Acme & Sons"}, follow=True)

    assert refused.status_code == 422
    assert "Type the name of the organization exactly" in refused.text
    assert "Acme &amp; Sons was deleted" in deleted.text
    assert not owner.organizations.exists()


def test_page_manages_workspaces(client, admin, organization):
    client.force_login(admin)

    client.post(reverse("settings:workspaces"), {"name": "Support"})
    workspace = organization.workspaces.get()
    taken = client.post(reverse("settings:workspaces"), {"name": "support"})
    client.post(reverse("settings:workspace", args=[workspace.pk]), {"name": "Desk"})
    listed = client.get(reverse("settings:workspaces"))
    client.post(reverse("settings:delete-workspace", args=[workspace.pk]))

    assert (taken.status_code, "named support already" in taken.text) == (422, True)
    assert "Desk" in listed.text
    assert not organization.workspaces.exists()


def test_a_viewer_changes_their_own_name(client, viewer):
    client.force_login(viewer)

    client.post(reverse("settings:profile"), {"name": "Vera de Wit"})

    viewer.refresh_from_db()
    assert viewer.display_name == "Vera de Wit"


def test_a_new_password_ends_tokens_but_not_this_session(client, user, api):
    client.force_login(user)
    new = "another lovely long phrase"
    passwords = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    wrong = client.post(reverse("settings:password"), passwords | {"old_password": "wrong"})
    changed = client.post(reverse("settings:password"), passwords, follow=True)

    assert wrong.status_code == 422
    assert "Your password is changed." in changed.text
    assert api.get("/api/auth/me").status_code == 401
