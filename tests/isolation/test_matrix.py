"""Every operation, asked by ten principals, answers as `policy.py` declares, and a refusal changes nothing."""

from dataclasses import replace
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
    without_ids,
)
from tests.isolation.policy import OPERATIONS

pytestmark = pytest.mark.django_db
NOBODY = UUID(int=0)
ABOUT_ROWS = [name for name, operation in OPERATIONS.items() if {*operation.kinds} - {"text"}]
CHANGES = [name for name in ABOUT_ROWS if OPERATIONS[name].method in ("PUT", "PATCH")]


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
    if principal == "owner":
        changed = world.changed_tables(world.acme)
        if bool(changed) != operation.does_change:
            yield f"changed {changed}"
        if world.changed_tables(world.rivals):
            yield "changed another organization"
    is_harmless = principal not in INSIDE or wanted != operation.allowed
    if is_harmless and (changed := world.changed_tables(world.acme)):
        yield f"changed {changed}"
    if principal not in INSIDE and (leaks := world.leaks(answer, operation)):
        yield f"told of {leaks}"


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


@pytest.mark.parametrize("name", {OPERATIONS[name].route: name for name in ABOUT_ROWS}.values())
def test_describes_a_foreign_row_like_a_missing_one(world, name):
    foreign = named_by(OPERATIONS[name], world.acme_rows)
    missing = [NOBODY] * len(foreign)
    for method in ("HEAD", "OPTIONS"):
        operation = replace(OPERATIONS[name], method=method, send={})

        there, not_there = (
            ask(world.principals["foreign owner"], operation, named=pks, rows=world.rivals_rows)
            for pks in (foreign, missing)
        )

        assert there.status_code == not_there.status_code
        assert without_ids(there, foreign) == without_ids(not_there, missing)


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
