from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from finetuning.api.tokens import issue_tokens
from tests.conftest import api_client
from tests.factories import PASSWORD, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"


@pytest.fixture
def anonymous():
    client = APIClient()
    client.default_format = "json"
    return client


def sign_in(client, email="user@example.com", password=PASSWORD):
    return client.post("/api/auth/token", {"email": email, "password": password})


def me(token):
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {token}").get(ME)


def test_signs_in_whatever_the_case_of_the_email(anonymous, user):
    answer = sign_in(anonymous, email="User@Example.com")

    body = me(answer.json()["access"]).json()
    assert (body["email"], body["role"], body["organization"]["name"]) == (user.email, "member", "Acme")


@pytest.mark.parametrize(
    ("email", "password"),
    [("user@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("user@example.com", PASSWORD + " ")],
)
def test_tells_nobody_what_was_wrong(anonymous, user, email, password):
    answer = sign_in(anonymous, email=email, password=password)

    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_signs_in_nobody_who_is_deactivated_or_in_no_organization(anonymous, user):
    UserFactory(email="lonely@example.com")
    user.is_active = False
    user.save()

    assert sign_in(anonymous).status_code == 401
    assert sign_in(anonymous, email="lonely@example.com").json()["code"] == "no_organization"


def test_switches_to_another_organization_of_the_same_user(api, user):
    second = OrganizationFactory(name="Second")
    user.memberships.create(organization=second, role="viewer")

    pair = api.post("/api/auth/switch-organization", {"organizationId": str(second.pk)}).json()

    assert me(pair["access"]).json()["organization"]["name"] == "Second"


def test_does_not_switch_to_a_foreign_organization(api, other_organization):
    answer = api.post("/api/auth/switch-organization", {"organizationId": str(other_organization.pk)})

    assert answer.status_code == 404


def test_ends_a_web_sign_in_after_fourteen_days_whatever_was_done_in_it(client, user):
    client.post("/login", {"username": user.email, "password": PASSWORD})
    start, own = timezone.now(), reverse("finetuning:switch-organization", args=[user.organizations.get().pk])
    with time_machine.travel(start + timedelta(days=13), tick=False):
        client.post(own)
        assert client.get("/").status_code == 200

    with time_machine.travel(start + timedelta(days=14, seconds=1), tick=False):
        assert client.get("/").status_code == 302


def test_takes_the_web_sign_in_for_reading_and_asks_for_a_csrf_token_to_write(user):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    assert client.get(ME).json()["email"] == user.email
    assert client.post("/api/conversations", {"messages": []}, format="json").status_code == 403


def test_acts_in_the_tokens_organization_whatever_the_session_says(user, organization):
    second = OrganizationFactory(name="Second")
    membership = user.memberships.create(organization=second)
    client = api_client(user)
    client.cookies.clear()
    client.force_login(user)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(membership)['access']}")

    assert client.get(ME).json()["organization"]["name"] == "Second"


@pytest.mark.parametrize(("method", "status"), [("get", 200), ("post", 403)])
def test_lets_a_viewer_read_only(viewer_api, method, status):
    answer = getattr(viewer_api, method)("/api/conversations")

    assert answer.status_code == status
