"""Every operation that changes something leaves an entry of the audit, or says here why it need not."""

import json
from dataclasses import replace

import pytest

from finetuning.models import AuditEntry
from tests.isolation.cast import CANARY, ask, named_by, outcome
from tests.isolation.policy import OPERATIONS

pytestmark = pytest.mark.django_db

EXCEPTIONS = {
    # The row itself says who made it, and there may be thousands in an hour.
    "POST conversation-list": "raw material, recorded by applications",
    "POST conversation-feedback": "raw material, rated by applications",
    "POST conversations:feedback": "raw material, rated by members",
    "POST model-usage": "a count of calls",
    # A draft changes nothing; saving it does, and that is an entry.
    "POST version-edits": "a draft, whose edits say who made them",
    "DELETE version-edits": "a draft that is forgotten",
    "POST datasets:example": "a draft, whose edits say who made them",
    "POST datasets:discard-edits": "a draft that is forgotten",
    # The stored file is read again, and stays as it is.
    "POST dataset-validate": "a check",
    "POST datasets:validate": "a check",
    "POST provider-account-test": "a check",
    "POST provider_accounts:test": "a check",
    # The log of deliveries has each of them.
    "POST webhook-endpoint-test": "a delivery",
    "POST webhook-endpoint-resend": "a delivery",
    "POST webhooks:test": "a delivery",
    "POST webhooks:resend": "a delivery",
}
CHANGING = [name for name, operation in OPERATIONS.items() if operation.does_change]
# They change rows of nobody, or of another organization than the one that is asked about.
ALSO = ["POST token", "POST organization-list", "POST finetuning:organizations"]
SECRETS = {"POST provider-account-list": "apiKey", "PATCH provider-account-detail": "apiKey"}


def entries_after(world, operation, **changed):
    asked = replace(operation, send={**operation.send, **changed})

    answer = ask(
        world.principals["owner"], asked, named=named_by(asked, world.acme_rows), rows=world.acme_rows
    )

    assert outcome(answer) == operation.allowed
    return list(AuditEntry.objects.exclude(pk__in=world.audited_before))


@pytest.fixture
def world(world):
    object.__setattr__(world, "audited_before", list(AuditEntry.objects.values_list("pk", flat=True)))
    return world


@pytest.mark.parametrize("name", [*CHANGING, *ALSO])
def test_leaves_an_entry_of_every_change(world, name):
    entries = entries_after(world, OPERATIONS[name])

    assert bool(entries) != (name in EXCEPTIONS)
    if name in CHANGING:
        assert {entry.organization_id for entry in entries} <= {world.acme.pk}
    if name != "POST token":
        assert {entry.actor_name for entry in entries} <= {f"{CANARY}-owner@example.com"}
    assert {entry.address for entry in entries} <= {"127.0.0.1"}
    assert all(entry.request_id for entry in entries)


def test_excepts_nothing_that_is_gone():
    assert EXCEPTIONS.keys() - CHANGING == set()


@pytest.mark.parametrize(("name", "field"), SECRETS.items())
def test_keeps_no_secret(world, name, field):
    entries = entries_after(world, OPERATIONS[name], **{field: "sk-kept-nowhere-1234"})

    assert entries
    assert "kept-nowhere" not in json.dumps([entry.changes for entry in entries])
