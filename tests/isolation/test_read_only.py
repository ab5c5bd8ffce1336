"""What is not declared as input cannot be written: no status, no owner, no counter, no organization."""

import pytest
from django import forms
from django.db import models

from finetuning.api.serializers import camel_case
from tests.isolation.cast import ask, named_by, outcome, rolled_back
from tests.isolation.inputs import inputs
from tests.isolation.policy import OPERATIONS, Level
from tests.isolation.rows import paths

pytestmark = pytest.mark.django_db

WRITES = {
    name: operation
    for name, operation in OPERATIONS.items()
    if not operation.is_safe and operation.level > Level.PUBLIC
}
WITH_BODY = [name for name in WRITES if (inputs().get(name) or {}).get("send")]
WITHOUT_BODY = [name for name in WRITES if name not in WITH_BODY]


def columns():
    """The names of all columns of all models, in the API's spelling and in ours."""
    names = {
        name for model in paths() for field in model._meta.fields for name in (field.name, field.attname)
    }
    return names | {camel_case(name) for name in names}


def form_fields():
    found, classes = set(), [forms.BaseForm]
    while classes:
        form = classes.pop()
        classes += form.__subclasses__()
        found |= getattr(form, "base_fields", {}).keys()
    return found


@pytest.mark.parametrize("name", WITH_BODY)
def test_refuses_every_column_that_is_no_input(world, name):
    operation = WRITES[name]
    forbidden = columns() - inputs()[name]["send"].keys()

    answer = ask(
        world.principals["owner"],
        operation,
        named=named_by(operation, world.acme_rows),
        rows=world.acme_rows,
        send={**dict.fromkeys(forbidden, str(world.rivals.pk)), **operation.send},
    )

    assert answer.status_code == 400
    refused = {error["pointer"][1:] for error in answer.json()["errors"] if error["code"] == "unknown_field"}
    assert forbidden - refused == set()
    assert world.changed_tables(world.acme) == world.changed_tables(world.rivals) == []


@pytest.mark.parametrize("name", WITHOUT_BODY)
def test_ignores_every_column_where_no_body_is_described(world, name):
    operation = WRITES[name]
    # A page's own fields are its input; what no form has must not matter to any page.
    foreign = dict.fromkeys(columns() - form_fields() - operation.send.keys(), str(world.rivals.pk))
    before = primary_keys()

    results = []
    for extra in ({}, foreign):
        with rolled_back():
            answer = ask(
                world.principals["owner"],
                operation,
                named=named_by(operation, world.acme_rows),
                rows=world.acme_rows,
                send={**extra, **operation.send},
            )
            results.append((outcome(answer), lasting(before)))

    assert results[0][0] == results[1][0] == operation.allowed
    assert results[0][1] == results[1][1]


def primary_keys():
    return {pk for model in paths() for pk in model._base_manager.values_list("pk", flat=True)}


def lasting(known):
    """All rows by table, without what is another one each time: times, secrets, files, and the ids of new rows."""
    fleeting = (models.DateTimeField, models.BinaryField, models.FileField, models.AutoField)
    return {model: sorted(_rows(model, known, fleeting)) for model in paths()}


def _rows(model, known, fleeting):
    random = {
        "ApiKey": {"prefix", "digest"},
        "WebhookDelivery": {"body"},
        "Invitation": {"token_digest"},
        # An organization made a moment ago has a key for the sandbox that was made up.
        "ProviderAccount": {"api_key_last_four"},
        "TokenFamily": {"jti"},
        # They tell of what is new in the rows themselves, which are compared here; a key is named by its beginning.
        "AuditEntry": {"request_id", "target_id", "target_name", "changes"},
    }
    names = [
        field.attname
        for field in model._meta.fields
        if not isinstance(field, fleeting) and field.attname not in random.get(model.__name__, ())
    ]
    keys = {field.attname for field in model._meta.fields if field.is_relation or field.primary_key}
    # The id of the first row of a series, which is the new one here.
    keys.add("series_id")
    for row in model._base_manager.values(*names):
        yield str([("new" if name in keys and row[name] not in known else row[name]) for name in names])
