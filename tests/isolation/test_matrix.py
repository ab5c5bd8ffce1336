"""Every operation, asked by ten principals, answers as `policy.py` declares, and a refusal changes nothing."""

import re
from uuid import UUID

import pytest

from tests.isolation.cast import (
    INSIDE,
    PRINCIPALS,
    ask,
    expected,
    named_by,
    outcome,
    rolled_back,
    told,
)
from tests.isolation.policy import OPERATIONS

pytestmark = pytest.mark.django_db
NOBODY = UUID(int=0)
ABOUT_ROWS = [name for name, operation in OPERATIONS.items() if operation.kinds not in ([], ["text"])]
CHANGES = [name for name in ABOUT_ROWS if OPERATIONS[name].method in ("PUT", "PATCH")]
REQUEST_ID = re.compile(r'"requestId": ?"[^"]*"|X-Request-Id: [0-9a-f-]+')


@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_each_principal_as_declared(world, name):
    operation = OPERATIONS[name]

    wrong = {}
    for principal in PRINCIPALS:
        with rolled_back():
            wrong[principal] = list(faults(world, operation, principal))

    assert {principal: found for principal, found in wrong.items() if found} == {}


def faults(world, operation, principal):
    named = named_by(operation, world.acme_rows)
    answer = ask(world.principals[principal], operation, named=named, rows=world.rows_for(principal))
    wanted = expected(operation, principal)
    if outcome(answer) != wanted:
        yield f"{outcome(answer)}, not {wanted}"
    changed = world.changed_tables(world.acme)
    if principal == "owner" and bool(changed) != operation.does_change:
        yield f"changed {changed}"
    if wanted != (operation.usual_status, "") and changed:
        yield f"refused, yet changed {changed}"
    if principal not in INSIDE:
        if changed:
            yield f"changed {changed}"
        if leaks := world.leaks(answer, operation):
            yield f"told of {leaks}"
    elif world.changed_tables(world.rivals):
        yield "changed another organization"


@pytest.mark.parametrize("name", ABOUT_ROWS)
def test_answers_a_foreign_row_like_a_missing_one(world, name):
    operation, rival = OPERATIONS[name], world.principals["foreign owner"]
    foreign, own = (named_by(operation, rows) for rows in (world.acme_rows, world.rivals_rows))
    # Each id of the path in turn, among own ones: the endpoint is ours, the delivery is not.
    for position in range(len(foreign)):
        named = [*own[:position], foreign[position], *own[position + 1 :]]
        missing = [*own[:position], NOBODY, *own[position + 1 :]]

        there, not_there = (
            ask(rival, operation, named=pks, rows=world.rivals_rows) for pks in (named, missing)
        )

        assert there.status_code == not_there.status_code == 404
        assert without_ids(there, named) == without_ids(not_there, missing)
    assert world.changed_tables(world.acme) == world.changed_tables(world.rivals) == []


def without_ids(answer, named):
    return REQUEST_ID.sub("", told(answer, besides=named))


@pytest.mark.parametrize("name", CHANGES)
def test_leaves_a_row_in_its_workspace(world, name):
    operation = OPERATIONS[name]
    sent = {field: value for field, value in operation.send.items() if field != "workspaceId"}
    row = world.acme_rows[operation.kinds[0]]

    ask(
        world.principals["other workspace"],
        operation,
        named=named_by(operation, world.acme_rows),
        rows=world.acme_rows,
        send=sent,
    )

    if hasattr(row, "workspace_id"):
        assert type(row)._base_manager.get(pk=row.pk).workspace == world.acme_rows["workspace"]
