"""What operators do in the admin is done by services, and stands in the audit."""

import pytest
from django.urls import reverse

from finetuning.models import AuditEntry, Organization
from tests.factories import PASSWORD, DatasetFactory, FineTunedModelFactory

pytestmark = pytest.mark.django_db


def act(operator_client, row, action):
    model = f"{row._meta.app_label}_{row._meta.model_name}"
    return operator_client.post(
        reverse(f"admin:{model}_changelist"), {"action": action, "_selected_action": [str(row.pk)]}
    )


def recorded():
    return list(AuditEntry.objects.order_by("id").values_list("action", "actor_name"))


def test_suspends_and_resumes_an_organization(operator_client, organization):
    act(operator_client, organization, "suspend")
    assert Organization.objects.get(pk=organization.pk).is_suspended

    act(operator_client, organization, "resume")
    assert not Organization.objects.get(pk=organization.pk).is_suspended
    assert recorded() == [
        ("organization.suspended", "operator@example.com"),
        ("organization.resumed", "operator@example.com"),
    ]


def test_restores_what_was_deleted(operator_client, organization):
    rows = [
        organization,
        DatasetFactory(organization=organization),
        FineTunedModelFactory(organization=organization),
    ]
    for row in rows:
        type(row).with_deleted.filter(pk=row.pk).update(deleted_at="2026-01-01T00:00Z")
        act(operator_client, row, "restore")

    assert [type(row).with_deleted.get(pk=row.pk).deleted_at for row in rows] == [None, None, None]
    actions = [action for action, _ in recorded()]
    assert actions == ["organization.restored", "dataset.restored", "model.restored"]


def test_records_that_an_operator_signs_out(operator_client):
    operator_client.post(reverse("admin:logout"))

    assert recorded() == [("user.signed_out", "operator@example.com")]
    assert operator_client.get(reverse("admin:index")).status_code == 302


def test_revokes_a_key(operator_client, organization):
    key, _ = organization.api_keys.issue(name="Help desk")

    act(operator_client, key, "revoke")

    key.refresh_from_db()
    assert not key.is_live
    assert recorded() == [("api_key.revoked", "operator@example.com")]


def test_tests_an_account(operator_client, provider_account, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"

    act(operator_client, provider_account, "check_now")

    provider_account.refresh_from_db()
    assert provider_account.last_error


def test_replaces_a_key_of_a_provider_and_keeps_none(operator_client, provider_account):
    page = reverse("admin:finetuning_provideraccount_change", args=[provider_account.pk])
    kept = {
        "organization": provider_account.organization_id,
        "name": provider_account.name,
        "kind": provider_account.kind,
        "base_models": "[]",
        "is_enabled": "on",
    }

    operator_client.post(page, kept | {"api_key": "sk-another-key-9876"})

    provider_account.refresh_from_db()
    assert provider_account.api_key == "sk-another-key-9876"
    assert [action for action, _ in recorded()] == [
        "provider_account.changed",
        "provider_account.api_key_replaced",
    ]
    changed = AuditEntry.objects.get(action="provider_account.changed").changes
    assert changed["api_key_last_four"] == ["", "9876"]
    assert "another-key" not in str(list(AuditEntry.objects.values()))


def test_records_what_is_changed_and_deleted_by_hand(operator_client, organization):
    workspace = organization.workspaces.create(name="East")
    page = reverse("admin:finetuning_workspace_change", args=[workspace.pk])

    operator_client.post(page, {"organization": organization.pk, "name": "West"})
    operator_client.post(page.replace("change/", "delete/"), {"post": "yes"})

    assert [action for action, _ in recorded()] == ["workspace.changed", "workspace.deleted"]
    assert AuditEntry.objects.get(action="workspace.changed").changes == {"name": ["East", "West"]}


def test_records_a_password_that_an_operator_sets(operator_client, user):
    page = reverse("admin:auth_user_password_change", args=[user.pk])
    new = "another horse, another battery"

    operator_client.post(page, {"usable_password": "true", "password1": new, "password2": new})

    user.refresh_from_db()
    assert user.check_password(new)
    assert not user.check_password(PASSWORD)
    assert ("user.password_changed", "operator@example.com") in recorded()
