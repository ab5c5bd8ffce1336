"""That a name is taken in one organization is no answer in another."""

import pytest
from django.db import models

from tests.isolation.cast import ask, outcome
from tests.isolation.policy import OPERATIONS
from tests.isolation.rows import paths

# What is unique everywhere by its nature: nobody chooses it, or it is a person's own address.
UNIQUE_EVERYWHERE = {
    ("User", "email"),
    ("User", "(Lower)"),
    ("ApiKey", "prefix"),
    ("Invitation", "token_digest"),
}
# What makes an organization makes nothing in one.
MAKES = [
    name
    for name, operation in OPERATIONS.items()
    if isinstance(operation.send.get("name"), str) and not operation.kinds and operation.does_change
]


def unique_columns():
    """What is unique by a constraint: the model, and the columns. One-to-one relations belong to one row."""
    for model, path in paths().items():
        if not path or path == "pk":
            continue
        for field in model._meta.fields:
            if field.unique and not field.primary_key and not field.is_relation:
                yield model, (field.name,)
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                named = tuple(
                    expression.name for expression in constraint.expressions if hasattr(expression, "name")
                )
                yield model, constraint.fields or named or ("(Lower)",)


def test_is_unique_within_an_organization_at_most():
    everywhere = {
        (model.__name__, *columns)
        for model, columns in unique_columns()
        if not any(leads_to_an_organization(model, column) for column in columns)
    }

    assert everywhere == UNIQUE_EVERYWHERE


def leads_to_an_organization(model, column):
    if column.startswith("("):
        return False
    field = model._meta.get_field(column)
    return field.is_relation and (field.name == "organization" or bool(paths().get(field.related_model)))


@pytest.mark.django_db
@pytest.mark.parametrize("name", MAKES)
def test_lets_two_organizations_use_the_same_names(world, name):
    operation = OPERATIONS[name]
    own = {row.name for row in world.rivals_rows.values() if hasattr(row, "name")}
    taken = {row.name for row in world.acme_rows.values() if hasattr(row, "name")} - own

    answers = {
        text: ask(
            world.principals["foreign owner"],
            operation,
            named=[],
            rows=world.rivals_rows,
            send={**operation.send, "name": text},
        )
        for text in sorted({*taken, *(f"{text}-new" for text in taken)})
    }

    assert [text for text in taken if outcome(answers[text]) != outcome(answers[f"{text}-new"])] == []
    assert any(outcome(answers[text]) == operation.allowed for text in taken)
