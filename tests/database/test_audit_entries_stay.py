"""The database itself keeps what the audit holds, whoever writes to it."""

import pytest
from django.db import IntegrityError, connection, transaction

from finetuning import audit
from finetuning.models import AuditEntry, Organization, User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("sql", ["UPDATE audit_entries SET actor_name = ''", "DELETE FROM audit_entries"])
def test_refuses_to_change_an_entry(organization, sql):
    audit.record("organization.changed", organization)

    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert refusal.value.__cause__.diag.constraint_name == "audit_entries_stay"
    assert AuditEntry.objects.count() == 1


def test_outlives_the_organization_and_the_person(organization, user):
    audit.record("organization.changed", organization, by=user)

    User.objects.filter(pk=user.pk).delete()
    Organization.objects.filter(pk=organization.pk).delete()

    entry = AuditEntry.objects.get()
    assert (entry.organization_id, entry.actor_id) == (organization.pk, user.pk)
    assert (entry.actor_name, entry.target_name) == ("user@example.com", "Acme")
