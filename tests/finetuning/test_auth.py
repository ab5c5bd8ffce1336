import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from finetuning.api import tokens
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


def test_renews_a_pair_once(anonymous, user, organization):
    pair = issue_tokens(user, organization)

    first = anonymous.post("/api/auth/token/refresh", {"refresh": pair["refresh"]})
    second = anonymous.post("/api/auth/token/refresh", {"refresh": pair["refresh"]})

    assert me(first.json()["access"]).status_code == 200
    assert (second.status_code, second.json()["code"]) == (401, "refresh_token_invalid")


@pytest.mark.django_db(transaction=True)
def test_renews_a_pair_once_however_many_ask_at_the_same_time(user, organization):
    refresh = issue_tokens(user, organization)["refresh"]
    start = threading.Barrier(6)

    def renew(_):
        try:
            start.wait()
            return tokens.rotate_tokens(refresh)
        except tokens.RefreshRefused:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        pairs = [pair for pair in threads.map(renew, range(6)) if pair]

    assert len(pairs) == 1


def test_renews_no_pair_that_was_revoked(anonymous, user, organization):
    pair = issue_tokens(user, organization)

    revoked = anonymous.post("/api/auth/token/revoke", {"refresh": pair["refresh"]})

    assert revoked.status_code == 204
    assert anonymous.post("/api/auth/token/refresh", {"refresh": pair["refresh"]}).status_code == 401


def remove(user):
    user.memberships.all().delete()


def deactivate(user):
    user.is_active = False
    user.save()


def change_password(user):
    user.password = make_password("another password")
    user.save()


def delete(user):
    user.delete()


@pytest.mark.parametrize("change", [remove, deactivate, change_password, delete])
def test_ends_both_tokens_at_once(anonymous, user, organization, change):
    pair = issue_tokens(user, organization)

    change(user)

    assert me(pair["access"]).status_code == 401
    assert anonymous.post("/api/auth/token/refresh", {"refresh": pair["refresh"]}).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"user_id": ["x"]},
        {"user_id": 10**30},
        {"user_id": "\0"},
        {"organization_id": None},
        {"organization_id": "x"},
        {"organization_id": 5},
        {"exp": 10**30},
        {"exp": "soon"},
        {"exp": 1},
        {"token_type": "refresh"},
        {"hash_password": 1},
        {"jti": None},
    ],
)
def test_refuses_a_signed_token_with_odd_claims(anonymous, user, organization, claims):
    odd_claims = {"organization_id": str(organization.pk), **claims}
    access, refresh = AccessToken.for_user(user), RefreshToken.for_user(user)
    access.payload.update(odd_claims)
    refresh.payload.update(odd_claims | ({"token_type": "access"} if "token_type" in claims else {}))

    renewed = anonymous.post("/api/auth/token/refresh", {"refresh": str(refresh)})

    assert me(access).status_code == 401
    assert renewed.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é", "x" * 100_000, "x y"])
def test_refuses_what_is_no_token(token):
    assert me(token).status_code == 401


def test_does_not_take_a_refresh_token_as_access(user, organization):
    assert me(issue_tokens(user, organization)["refresh"]).status_code == 401


def test_switches_to_another_organization_of_the_same_user(api, user):
    second = OrganizationFactory(name="Second")
    user.memberships.create(organization=second, role="viewer")

    pair = api.post("/api/auth/switch-organization", {"organizationId": str(second.pk)}).json()

    assert me(pair["access"]).json()["organization"]["name"] == "Second"


def test_does_not_switch_to_a_foreign_organization(api, other_organization):
    answer = api.post("/api/auth/switch-organization", {"organizationId": str(other_organization.pk)})

    assert answer.status_code == 404


def test_takes_the_web_sign_in_for_reading_and_asks_for_a_csrf_token_to_write(user):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    assert client.get(ME).json()["email"] == user.email
    assert client.post("/api/conversations", {"messages": []}, format="json").status_code == 403


def test_acts_in_the_tokens_organization_whatever_the_session_says(user, organization):
    second = OrganizationFactory(name="Second")
    user.memberships.create(organization=second)
    client = api_client(user)
    client.cookies.clear()
    client.force_login(user)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(user, second)['access']}")

    assert client.get(ME).json()["organization"]["name"] == "Second"


@pytest.mark.parametrize(("method", "status"), [("get", 200), ("post", 403)])
def test_lets_a_viewer_read_only(viewer_api, method, status):
    answer = getattr(viewer_api, method)("/api/conversations")

    assert answer.status_code == status
