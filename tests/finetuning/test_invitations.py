"""Inviting, and accepting: once, in time, and as the one who was invited."""

import re
import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from finetuning.members import invitations
from finetuning.models import Invitation, Role, User
from tests.conftest import api_client
from tests.factories import PASSWORD, OrganizationFactory, UserFactory
from tests.finetuning.test_members import at_once

pytestmark = pytest.mark.django_db
ACCEPT = "/api/auth/accept-invitation"
ADA = "ada@example.com"
NEW = {"password": "a long and lovely phrase", "name": "Ada Lovelace"}


@pytest.fixture
def invite(organization, admin):
    """Invites, and returns the token."""

    def invite(email=ADA, role=Role.MEMBER):
        _, link = invitations.invite_member(
            organization, by=admin.memberships.get(), email=email, role=role, page=""
        )
        return link

    return invite


def test_the_answer_alone_holds_the_token(admin_api, organization):
    made = admin_api.post("/api/invitations", {"email": ADA, "role": "viewer"})
    body = made.json()
    later = admin_api.get(f"/api/invitations/{body['id']}").json()

    stored = " ".join(str(value) for value in Invitation.objects.values_list()[0])
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    assert body["url"] == f"http://testserver/invitations/{body['token']}"
    assert len(body["token"]) * 6 >= 128
    assert body["token"] not in stored
    assert {"token", "url"}.isdisjoint(later)
    assert admin_api.get("/api/invitations").json()["data"] == [later]


def test_a_new_person_accepts_and_is_in(client, invite, organization):
    token = invite()

    answer = client.post(ACCEPT, {"token": token, **NEW}, content_type="application/json")

    me = client.get("/api/auth/me", headers={"Authorization": f"Bearer {answer.json()['access']}"}).json()
    assert answer.status_code == 200
    assert (me["email"], me["name"], me["role"]) == (ADA, "Ada Lovelace", "member")
    assert me["organization"]["id"] == str(organization.pk)


def test_a_known_person_accepts_with_the_password_of_the_account(client, invite, organization):
    ada = UserFactory(email=ADA)
    token = invite(email="ADA@example.com", role=Role.ADMIN)

    wrong = client.post(ACCEPT, {"token": token, **NEW}, content_type="application/json")
    right = client.post(ACCEPT, {"token": token, "password": PASSWORD}, content_type="application/json")

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert ada.memberships.get(organization=organization).role == "admin"
    assert User.objects.filter(email__iexact=ADA).count() == 1


def test_a_signed_in_person_accepts_without_a_password(invite, organization, outsider, outsider_api):
    token = invite(email=outsider.email, role=Role.VIEWER)

    answer = outsider_api.post(ACCEPT, {"token": token})

    assert answer.status_code == 200
    assert outsider.memberships.get(organization=organization).role == "viewer"


def test_somebody_else_does_not_accept(invite, outsider, outsider_api):
    answer = outsider_api.post(ACCEPT, {"token": invite()})

    assert (answer.status_code, answer.json()["code"]) == (403, "invited_somebody_else")
    assert outsider.memberships.count() == 1
    assert Invitation.objects.open().exists()


@pytest.mark.parametrize("state", ["accepted", "revoked", "expired", "replaced", "unknown", "deleted"])
def test_a_link_that_is_no_good_says_so(client, invite, organization, state):
    token = invite()
    now = timezone.now()
    if state == "accepted":
        Invitation.objects.all().accept(now=now)
    elif state == "revoked":
        Invitation.objects.all().revoke(now=now)
    elif state == "expired":
        Invitation.objects.update(expires_at=now)
    elif state == "replaced":
        invite()
    elif state == "deleted":
        organization.mark_deleted(now=now)
    else:
        token = "unknown"

    answer = client.post(ACCEPT, {"token": token, **NEW}, content_type="application/json")
    page = client.get(reverse("invitation", args=[token]))

    assert (answer.status_code, answer.json()["code"]) == (404, "invitation_not_valid")
    assert (page.status_code, "not valid" in page.text) == (404, True)
    assert not User.objects.filter(email=ADA).exists()


def test_lasts_seven_days(invite):
    invite()

    left = Invitation.objects.get().expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


def test_inviting_again_replaces_the_open_invitation(invite, organization):
    invite(role=Role.VIEWER)
    invite(email="ADA@example.com", role=Role.ADMIN)

    assert [invitation.role for invitation in organization.invitations.open()] == ["admin"]


def test_a_member_is_not_invited(admin_api, colleague):
    answer = admin_api.post("/api/invitations", {"email": "COLLEAGUE@example.com", "role": "viewer"})

    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")


def test_an_admin_invites_no_owner(admin_api, owner_api):
    refused = admin_api.post("/api/invitations", {"email": ADA, "role": "owner"})
    allowed = owner_api.post("/api/invitations", {"email": ADA, "role": "owner"})

    assert (refused.status_code, refused.json()["code"], allowed.status_code) == (403, "role_too_low", 201)


def test_open_invitations_are_limited(invite, monkeypatch):
    monkeypatch.setattr(invitations, "MAX_OPEN_INVITATIONS", 2)
    for name in ("a", "b"):
        invite(email=f"{name}@example.com")

    invite(email="B@example.com")
    with pytest.raises(invitations.TooManyInvitations):
        invite(email="c@example.com")


def test_an_admin_revokes(admin_api, invite):
    invite()
    path = f"/api/invitations/{Invitation.objects.get().pk}"

    first, second = admin_api.delete(path), admin_api.delete(path)

    assert (first.status_code, second.status_code) == (204, 404)
    assert not Invitation.objects.open().exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/password"),
        ({"password": "short"}, "/password"),
        ({"password": "ada@example.com"}, "/password"),
        ({"password": "x" * 1025}, "/password"),
        ({"password": "a long and lovely phrase", "name": "x" * 151}, "/name"),
        ({"password": "a long and lovely phrase", "email": "eve@example.com"}, "/email"),
    ],
)
def test_a_refused_account_does_not_use_the_invitation_up(client, invite, body, pointer):
    token = invite()

    answer = client.post(ACCEPT, {"token": token, **body}, content_type="application/json")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert Invitation.objects.open().exists()
    assert not User.objects.filter(email=ADA).exists()


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_join_once(invite, organization):
    found = invitations.find_invitation(invite())

    raised = at_once(*[lambda: invitations.accept_as_new_user(found, password=NEW["password"])] * 10)

    assert raised == ["invitation_not_valid"] * 9
    assert organization.memberships.filter(user__email=ADA).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_invitations_of_one_new_person_at_once_make_one_account(
    invite, organization, other_organization, outsider
):
    _, other = invitations.invite_member(
        other_organization, by=outsider.memberships.get(), email=ADA, role=Role.VIEWER, page=""
    )
    tokens = [invite(), other]
    found = [invitations.find_invitation(token) for token in tokens]

    raised = at_once(
        *(lambda one=one: invitations.accept_as_new_user(one, password=NEW["password"]) for one in found)
    )

    assert raised == ["account_exists"]
    assert (User.objects.filter(email=ADA).count(), Invitation.objects.open().count()) == (1, 1)


@pytest.fixture
def _email(settings):
    settings.EMAIL_IS_SENT = True


@pytest.mark.usefixtures("_email")
def test_sends_the_link_after_the_commit(admin_api, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        body = admin_api.post("/api/invitations", {"email": ADA, "role": "viewer"}).json()
    before = len(mail.outbox)
    for callback in callbacks:
        callback()

    assert (before, len(mail.outbox)) == (0, 1)
    assert mail.outbox[0].to == [ADA]
    assert body["url"] in mail.outbox[0].body
    assert Invitation.objects.get().emailed_at is not None


@pytest.mark.usefixtures("_email")
def test_a_mail_server_that_is_down_loses_no_invitation(
    client, invite, monkeypatch, django_capture_on_commit_callbacks
):
    def refuse(*args, **kwargs):
        raise smtplib.SMTPServerDisconnected("no")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        token = invite()

    answer = client.post(ACCEPT, {"token": token, **NEW}, content_type="application/json")
    assert Invitation.objects.get().emailed_at is None
    assert answer.status_code == 200


@pytest.mark.usefixtures("_email")
def test_a_name_makes_no_further_header(admin, admin_api, organization, django_capture_on_commit_callbacks):
    admin.rename("Eve\r\nBcc: everybody@example.com")
    with django_capture_on_commit_callbacks(execute=True):
        admin_api.post("/api/invitations", {"email": ADA, "role": "viewer"})

    assert mail.outbox[0].subject == "Eve Bcc: everybody@example.com invites you to Acme"
    assert mail.outbox[0].recipients() == [ADA]


def test_sends_nothing_where_no_email_is_set_up(admin_api, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        admin_api.post("/api/invitations", {"email": ADA, "role": "viewer"})

    assert mail.outbox == []


# The pages


def test_page_shows_the_link_once(client, admin):
    client.force_login(admin)

    made = client.post(reverse("members:list"), {"email": ADA, "role": "member"})
    later = client.get(reverse("members:list"))

    link = re.search(r"http://testserver/invitations/[\w-]+", made.text)[0]
    assert "no-store" in made["Cache-Control"]
    assert ADA in later.text
    assert link not in later.text
    assert client.get(link).status_code == 200


def test_page_keeps_what_was_typed(client, admin, colleague):
    client.force_login(admin)

    answer = client.post(reverse("members:list"), {"email": colleague.email, "role": "member"})

    assert answer.status_code == 422
    assert "is a member already" in answer.text
    assert f'value="{colleague.email}"' in answer.text


def test_page_makes_an_account_and_signs_in(client, invite, organization):
    page = reverse("invitation", args=[invite()])

    weak = client.post(page, {"name": "Ada", "password": "12345"})
    joined = client.post(page, NEW, follow=True)

    assert weak.status_code == 422
    assert "Welcome to Acme." in joined.text
    assert joined.context["request"].organization == organization


def test_page_sends_who_has_an_account_to_sign_in_first(client, invite, organization):
    ada = UserFactory(email=ADA)
    ada.memberships.create(organization=OrganizationFactory(), role="owner")
    page = reverse("invitation", args=[invite()])

    asked = client.get(page)
    refused = client.post(page, NEW)
    client.force_login(ada)
    joined = client.post(page, follow=True)

    assert f"/login?next={page}" in asked.text
    assert "Sign in to join" in refused.text
    assert joined.context["request"].organization == organization


def test_page_tells_somebody_else_whom_it_is_for(client, invite, user):
    client.force_login(user)

    answer = client.post(reverse("invitation", args=[invite()]))

    assert answer.status_code == 422
    assert "The invitation is for ada@example.com. You are signed in as user@example.com." in answer.text


def test_page_revokes(client, admin, invite):
    invite()
    client.force_login(admin)

    client.post(reverse("members:revoke", args=[Invitation.objects.get().pk]))

    assert not Invitation.objects.open().exists()


def test_the_person_who_was_invited_may_work_in_both(invite, outsider):
    invitations.accept_invitation(invitations.find_invitation(invite(email=outsider.email)), user=outsider)

    assert len(api_client(outsider).get("/api/auth/me").json()["organizations"]) == 2
