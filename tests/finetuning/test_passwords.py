"""Which passwords are taken, and how they are checked."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework.test import APIClient

from finetuning.members import invitations
from finetuning.models import Role
from tests.factories import OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return UserFactory.build(email="augusta.lovelace@example.com", first_name="Augusta Lovelace")


@pytest.mark.parametrize("password", ["short12", "password123", "augusta.lovelace", "Augusta Lovelace"])
def test_takes_no_password_that_is_easily_guessed(person, password):
    with pytest.raises(ValidationError):
        validate_password(password, person)


@pytest.mark.parametrize(
    "password",
    ["attune-2026", "Finetuning1234!", "larchwood 2026", "Larchwood-Outfitters", "attune.larchwood.example"],
)
def test_takes_no_password_that_is_a_name_known_here(settings, password):
    settings.ALLOWED_HOSTS = ["attune.larchwood.example"]
    person = UserFactory(member_of=OrganizationFactory(name="Larchwood Outfitters"))

    with pytest.raises(ValidationError, match="a name that is known here"):
        validate_password(password, person)


def test_takes_no_name_of_the_organization_from_who_is_invited(organization, admin):
    organization.rename("Larchwood Outfitters", now=timezone.now())
    invitation, _ = invitations.invite_member(
        organization, by=admin.memberships.get(), email="ada@example.com", role=Role.MEMBER, page=""
    )

    with pytest.raises(invitations.PasswordTooWeak):
        invitations.accept_as_new_user(invitation, password="larchwood 2026")


@pytest.mark.parametrize(
    "password",
    [
        "a horse of Attune and a battery",
        "correct horse battery",
        "\N{SNOWMAN} in the \N{CLOUD}",
        "739104628533",
        "x y" * 100,
    ],
)
def test_takes_any_characters(person, password):
    validate_password(password, person)


@pytest.mark.parametrize(
    ("typed", "status"),
    [(" Tall Trees ", 200), ("Tall Trees", 401), (" tall trees ", 401), (" Tall Tree", 401)],
)
def test_is_checked_as_it_was_typed(organization, typed, status):
    user = UserFactory(password=" Tall Trees ", member_of=organization)

    answer = APIClient().post("/api/auth/token", {"email": user.email, "password": typed}, format="json")

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "autocomplete"), [("/login", "current-password"), ("/settings/profile", "new-password")]
)
def test_hides_what_is_typed_and_lets_password_managers_help(client, user, path, autocomplete):
    if path != "/login":
        client.force_login(user)

    page = client.get(path).content.decode()

    assert 'type="password"' in page
    assert f'autocomplete="{autocomplete}"' in page
    assert "onpaste" not in page
