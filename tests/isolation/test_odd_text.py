"""A NUL, which PostgreSQL cannot store, in every text that an operation takes by its description; files have tests of their own."""

import pytest

from tests.isolation.cast import ask, named_by, outcome
from tests.isolation.inputs import inputs
from tests.isolation.policy import OPERATIONS

pytestmark = pytest.mark.django_db

FORMS = {"POST dataset-list", "POST dataset-preview-list", "POST conversation-import-file"}
TEXTS = [
    (name, place, field)
    for name, places in inputs().items()
    for place, shapes in places.items()
    for field, shape in (shapes or {}).items()
    if "string" in str(shape) and field not in ("file", "files")
]


@pytest.mark.parametrize(("name", "place", "field"), TEXTS)
def test_refuses_a_nul(world, name, place, field):
    operation = OPERATIONS[name]
    given = getattr(operation, place)

    answer = ask(
        world.principals["owner"],
        operation,
        named=named_by(operation, world.acme_rows),
        rows=world.acme_rows,
        **{place: {**given, field: "a\0b"}},
    )

    is_json = place == "send" and name not in FORMS
    assert outcome(answer) == (400, "nul" if is_json else "invalid")
    assert world.changed_tables(world.acme) == []
