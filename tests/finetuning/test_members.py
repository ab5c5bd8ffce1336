"""Members and their roles, through the API and on the page."""

from threading import Barrier, Thread

import pytest
from django.db import connection
from django.urls import reverse

from finetuning.errors import Refused
from finetuning.members import services
from finetuning.models import Membership, Role
from tests.conftest import api_client
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ROLES = [role.value for role in Role]


def path_of(user):
    return f"/api/members/{user.pk}"


def role_of(user):
    return user.memberships.get().role


@pytest.fixture
def second_owner(organization):
    return UserFactory(email="second@example.com", member_of=organization, member_of__role="owner")


def test_lists_members_to_everybody(viewer_api, owner, outsider):
    body = viewer_api.get("/api/members").json()

    assert {member["email"]: member["role"] for member in body["data"]} == {
        "viewer@example.com": "viewer",
        "owner@example.com": "owner",
    }
    assert viewer_api.get(path_of(owner)).json()["id"] == str(owner.pk)


@pytest.mark.parametrize("who", ["viewer", "user"])
def test_lets_only_admins_manage(request, who, colleague):
    api = api_client(request.getfixturevalue(who))

    answers = [
        api.patch(path_of(colleague), {"role": "admin"}),
        api.delete(path_of(colleague)),
        api.post("/api/invitations", {"email": "ada@example.com", "role": "viewer"}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "role_too_low")] * 3
    assert role_of(colleague) == "member"


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_an_admin_gives_roles_up_to_admin(admin_api, colleague, role):
    answer = admin_api.patch(path_of(colleague), {"role": role})

    assert (answer.status_code, answer.json()["role"]) == (200, role)
    assert role_of(colleague) == role


def test_an_admin_makes_no_owner_and_unmakes_none(admin_api, admin, colleague, owner, second_owner):
    answers = [
        admin_api.patch(path_of(colleague), {"role": "owner"}),
        admin_api.patch(path_of(admin), {"role": "owner"}),
        admin_api.patch(path_of(owner), {"role": "member"}),
        admin_api.delete(path_of(owner)),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "role_too_low")] * 4
    assert [role_of(user) for user in (colleague, admin, owner)] == ["member", "admin", "owner"]


def test_an_owner_makes_and_unmakes_owners(owner_api, colleague, second_owner):
    owner_api.patch(path_of(colleague), {"role": "owner"})
    owner_api.patch(path_of(second_owner), {"role": "viewer"})

    assert (role_of(colleague), role_of(second_owner)) == ("owner", "viewer")


def test_keeps_the_last_owner(owner_api, owner, admin):
    demoted = owner_api.patch(path_of(owner), {"role": "admin"})
    left = owner_api.delete(path_of(owner))

    assert [(a.status_code, a.json()["code"]) for a in (demoted, left)] == [(409, "last_owner")] * 2
    assert role_of(owner) == "owner"


def test_a_deactivated_owner_does_not_count(owner_api, owner, second_owner):
    second_owner.is_active = False
    second_owner.save()

    assert owner_api.patch(path_of(owner), {"role": "admin"}).status_code == 409


def test_changes_nothing_without_a_role(owner_api, colleague):
    answer = owner_api.patch(path_of(colleague), {})

    assert (answer.status_code, answer.json()["role"]) == (200, "member")


@pytest.mark.parametrize(
    "body", [{"role": "king"}, {"role": None}, {"role": "admin", "email": "x@example.com"}]
)
def test_refuses_what_is_no_role(owner_api, colleague, body):
    answer = owner_api.patch(path_of(colleague), body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] in ("/role", "/email")
    assert role_of(colleague) == "member"


def test_a_removed_member_is_out_at_once(admin_api, api, user):
    before = api.get("/api/auth/me").status_code

    removed = admin_api.delete(path_of(user))

    assert (before, removed.status_code, api.get("/api/auth/me").status_code) == (200, 204, 401)
    assert not user.memberships.exists()


def test_a_viewer_leaves(viewer_api, viewer):
    assert viewer_api.delete(path_of(viewer)).status_code == 204
    assert not viewer.memberships.exists()


def test_looks_at_the_role_of_the_caller_again_under_the_lock(admin, colleague):
    stale = admin.memberships.get()
    Membership.objects.filter(user=admin).update(role="viewer")

    with pytest.raises(services.RoleTooLow):
        services.change_member_role(colleague.memberships.get(), by=stale, role=Role.VIEWER)


def at_once(*calls):
    """Run the calls at the same moment, each with a connection of its own; returns what they raised."""
    barrier, raised = Barrier(len(calls)), []

    def run(call):
        barrier.wait()
        try:
            call()
        except Refused as refusal:
            raised.append(refusal.code)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["demote each other", "demote themselves", "leave"])
def test_two_owners_at_once_leave_one(organization, owner, second_owner, verb):
    def act(me, other):
        mine, theirs = me.memberships.get(), other.memberships.get()
        if verb == "leave":
            return lambda: services.remove_member(mine, by=me.memberships.get())
        target = theirs if verb == "demote each other" else mine
        return lambda: services.change_member_role(target, by=me.memberships.get(), role=Role.MEMBER)

    raised = at_once(act(owner, second_owner), act(second_owner, owner))

    assert len(raised) == 1
    assert organization.memberships.filter(role="owner").count() == 1


# The page


def test_page_shows_each_role_what_it_may(client, request, owner, admin, user, viewer):
    pages = {}
    for who in (owner, admin, user, viewer):
        client.force_login(who)
        pages[role_of(who)] = client.get(reverse("members:list")).text

    assert {role: page.count('<select class="form-select"') for role, page in pages.items()} == {
        "owner": 4,
        "admin": 3,
        "member": 0,
        "viewer": 0,
    }
    assert {role for role, page in pages.items() if 'name="email"' in page} == {"owner", "admin"}
    assert '<option value="owner"' not in pages["admin"]
    assert all(">Leave<" in page for page in pages.values())
    assert "changed and removed by admins" in pages["member"]


def test_page_changes_a_role(client, admin, colleague):
    client.force_login(admin)

    answer = client.post(reverse("members:role", args=[colleague.pk]), {"role": "viewer"}, follow=True)

    assert "colleague@example.com has the role viewer now." in answer.text
    assert role_of(colleague) == "viewer"


@pytest.mark.parametrize("role", ["owner", "king", ""])
def test_page_refuses_a_role(client, admin, colleague, role):
    client.force_login(admin)

    answer = client.post(reverse("members:role", args=[colleague.pk]), {"role": role}, follow=True)

    assert 'role="alert"' in answer.text
    assert role_of(colleague) == "member"


def test_page_removes_a_member_and_lets_one_leave(client, admin, colleague):
    client.force_login(admin)

    removed = client.post(reverse("members:remove", args=[colleague.pk]), follow=True)
    left = client.post(reverse("members:remove", args=[admin.pk]), follow=True)

    assert "colleague@example.com was removed" in removed.text
    assert "You have left Acme." in left.text
    assert not Membership.objects.filter(user__in=[admin, colleague]).exists()


def test_page_of_members_costs_the_same_queries_however_many(
    client, admin, organization, django_assert_max_num_queries
):
    for _ in range(20):
        UserFactory(member_of=organization)
    client.force_login(admin)

    with django_assert_max_num_queries(6):
        client.get(reverse("members:list"))
