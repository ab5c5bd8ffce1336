"""What is taken from somebody is gone with the next request, also for the token and the session in use."""

from itertools import islice

import pytest

from finetuning.models import Role
from tests.factories import UserFactory
from tests.isolation.cast import ask, named_by, outcome, sign_in
from tests.isolation.policy import OPERATIONS, Level

pytestmark = pytest.mark.django_db
TRIALS = 10


def trials(*, is_api):
    fitting = (
        name
        for name, operation in OPERATIONS.items()
        if operation.level is Level.MEMBER and operation.is_api == is_api
    )
    return list(islice(fitting, TRIALS))


def demote(user):
    user.memberships.update(role=Role.VIEWER)


def remove(user):
    user.memberships.all().delete()


def deactivate(user):
    user.is_active = False
    user.save(update_fields=["is_active"])


def change_password(user):
    user.set_password("another good password")
    user.save(update_fields=["password"])


CHANGES = [
    (demote, (403, "role_too_low"), (403, "")),
    (remove, (401, "token_revoked"), (403, "")),
    (deactivate, (401, "token_revoked"), (302, "sign in")),
    (change_password, (401, "token_revoked"), (302, "sign in")),
]


@pytest.mark.parametrize(
    ("change", "by_token", "by_session"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
@pytest.mark.parametrize("name", [*trials(is_api=True), *trials(is_api=False)])
def test_acts_on_the_next_request(world, name, change, by_token, by_session):
    operation = OPERATIONS[name]
    principal = sign_in(UserFactory(member_of=world.acme), world.acme)
    look = OPERATIONS["GET me" if operation.is_api else "GET finetuning:dashboard"]
    request = {"named": named_by(operation, world.acme_rows), "rows": world.acme_rows}
    assert ask(principal, look, named=[], rows={}).status_code == 200

    change(principal.user)
    answer = ask(principal, operation, **request)

    assert outcome(answer) == (by_token if operation.is_api else by_session)


@pytest.mark.parametrize("name", [*trials(is_api=True), *trials(is_api=False)])
def test_gives_on_the_next_request(world, name):
    operation = OPERATIONS[name]
    principal = sign_in(UserFactory(member_of=world.acme, member_of__role=Role.VIEWER), world.acme)
    request = {"named": named_by(operation, world.acme_rows), "rows": world.acme_rows}
    assert ask(principal, operation, **request).status_code == 403

    principal.user.memberships.update(role=Role.MEMBER)
    answer = ask(principal, operation, **request)

    assert outcome(answer) == operation.allowed
