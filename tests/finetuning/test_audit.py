import pytest
from django.test import Client
from django.urls import reverse

from finetuning import audit
from finetuning.members import invitations
from finetuning.members import services as members
from finetuning.models import AuditEntry, Membership, Organization
from finetuning.organizations import services as organizations
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def kept(**filters):
    return AuditEntry.objects.get(**filters)


def test_says_who_did_what_from_where_and_how_it_was_before(owner, owner_api, organization):
    owner_api.patch(
        reverse("organization-detail"),
        {"name": "Acme Ltd", "monthlyCapUsd": 20},
        headers={"X-Request-Id": "mine-1"},
        REMOTE_ADDR="203.0.113.7",
    )

    entry = kept(action="organization.changed")
    assert entry.changes == {"name": ["Acme", "Acme Ltd"], "monthly_cap_usd": [None, "20.00"]}
    assert (entry.organization, entry.actor, entry.actor_name) == (organization, owner, "owner@example.com")
    assert (entry.target_type, entry.target_id, entry.target_name) == (
        "organization",
        str(organization.pk),
        "Acme Ltd",
    )
    assert (entry.address, entry.request_id) == ("203.0.113.7", "mine-1")


def test_records_nothing_when_nothing_changed(organization):
    organizations.update_organization(organization, name=organization.name)

    assert not AuditEntry.objects.exists()


def test_blames_nobody_for_what_somebody_else_has_changed_meanwhile(organization):
    seen_before = Organization.objects.get(pk=organization.pk)
    Organization.objects.filter(pk=organization.pk).update(monthly_cap_usd=5)

    organizations.update_organization(seen_before, name="Acme Ltd")

    assert kept(action="organization.changed").changes == {"name": [organization.name, "Acme Ltd"]}


def test_keeps_no_entry_of_a_change_that_was_undone(owner, organization):
    membership = owner.memberships.get()

    with pytest.raises(members.LastOwner):
        members.remove_member(membership, by=membership)

    assert Membership.objects.filter(pk=membership.pk).exists()
    assert not AuditEntry.objects.exists()


def test_leaves_empty_fields_of_a_new_row_out(organization):
    workspace = organizations.create_workspace(organization, name="East")

    assert kept(action="workspace.created").changes == {"name": [None, "East"]}
    assert kept().target_id == str(workspace.pk)


def test_cuts_long_texts(organization):
    audit.record("organization.changed", organization, details={"note": "x" * 10_000})

    assert kept().changes == {"note": [None, "x" * audit.MAX_TEXT]}


def test_records_a_sign_in_and_a_failed_one_in_each_organization(user, organization, other_organization):
    user.memberships.create(organization=other_organization)
    client = Client()

    client.post(reverse("login"), {"username": user.email, "password": "wrong"})
    client.post(reverse("login"), {"username": user.email, "password": PASSWORD})

    found = AuditEntry.objects.values_list("action", "organization_id", "actor_name").order_by("id")
    assert sorted(found) == sorted(
        (action, row.pk, name)
        for action, name in [("user.sign_in_failed", ""), ("user.signed_in", user.email)]
        for row in (organization, other_organization)
    )


def test_keeps_no_word_of_an_account_that_there_is_not():
    Client().post(reverse("login"), {"username": "my password in the wrong field", "password": "x"})

    entry = kept(action="user.sign_in_failed")
    assert (entry.organization_id, entry.target_name, entry.changes) == (None, "", {})


def test_records_another_password_but_not_which(user):
    client = Client()
    client.force_login(user)
    new = "another horse, another battery"

    client.post(
        reverse("settings:password"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    user.refresh_from_db()
    assert user.check_password(new)
    assert kept(action="user.password_changed").changes == {}


def test_names_nobody_where_the_product_acts_by_itself(organization):
    audit.record("organization.changed", organization)

    assert (kept().actor, kept().address, kept().request_id) == (None, None, "")


def test_records_the_end_of_a_sign_in(api, user):
    api.post(reverse("token-revoke-all"))

    assert kept(action="tokens.all_revoked").actor == user


def test_does_not_mix_requests(owner_api, outsider_api, organization):
    owner_api.post(reverse("workspace-list"), {"name": "East"})
    outsider_api.post(reverse("workspace-list"), {"name": "West"})
    organizations.create_workspace(organization, name="By nobody")

    found = AuditEntry.objects.filter(action="workspace.created").order_by("id")
    assert [entry.actor_name for entry in found] == ["owner@example.com", "outsider@example.com", ""]


def test_records_who_accepts_an_invitation(owner, organization):
    invitation, link = invitations.invite_member(
        organization, by=owner.memberships.get(), email="new@example.com", role="member", page="/i/"
    )
    invitations.accept_invitation(invitation, user=UserFactory(email="new@example.com"))

    entry = kept(action="member.joined")
    assert entry.actor_name == "new@example.com"
    assert link.rsplit("/", 1)[-1] not in str(list(AuditEntry.objects.values()))
