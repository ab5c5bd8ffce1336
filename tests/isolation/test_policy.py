"""No route and no method is without a line in `policy.py`."""

import pytest

from tests.isolation.cast import ask, named_by
from tests.isolation.policy import METHODS, OPERATIONS, Operation
from tests.isolation.routes import routes

BY_ROUTE = {}
for operation in OPERATIONS.values():
    BY_ROUTE.setdefault(operation.route, []).append(operation)


def test_declares_every_route():
    undeclared = routes().keys() - BY_ROUTE.keys()

    assert undeclared == set(), (
        "Each of these needs a line in API or PAGES of tests/isolation/policy.py, "
        'such as `GET("job-detail", VIEWER, of="job")`: who may, and about which row.'
    )


def test_declares_no_route_that_is_gone():
    assert BY_ROUTE.keys() - routes().keys() == set()


@pytest.mark.django_db
@pytest.mark.parametrize("route", BY_ROUTE)
def test_answers_no_method_that_is_not_declared(world, route):
    known = BY_ROUTE[route][0]
    declared = {operation.method for operation in BY_ROUTE[route]}
    others = [
        Operation(method, route, known.level, of=known.of) for method in METHODS if method not in declared
    ]

    answered = {
        operation.method: ask(
            world.principals["owner"],
            operation,
            named=named_by(operation, world.acme_rows),
            rows=world.acme_rows,
        ).status_code
        for operation in others
    }

    assert {method: status for method, status in answered.items() if status != 405} == {}, (
        "Each of these needs a line in tests/isolation/policy.py, or the view must not take it."
    )
