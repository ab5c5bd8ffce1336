import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient, APIRequestFactory

from config.celery import app
from finetuning.api import tokens
from finetuning.api.authentication import OrganizationJWTAuthentication
from finetuning.api.tokens import issue_tokens, rotate_tokens
from finetuning.models import Membership, Role, TokenFamily
from finetuning.tasks import delete_expired_token_families
from tests.conftest import api_client
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"
OLD, NEW = "the key of the years before, thirty-two", "the key of the years to come, thirty-two"


@pytest.fixture
def membership(user):
    return user.memberships.select_related("organization").get()


@pytest.fixture
def pair(membership):
    return issue_tokens(membership)


def me(access):
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {access}").get(ME)


def renew(refresh):
    return APIClient().post("/api/auth/token/refresh", {"refresh": refresh}, format="json")


def revoke(refresh):
    return APIClient().post("/api/auth/token/revoke", {"refresh": refresh}, format="json")


def switch(pair, organization):
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    return client.post(
        "/api/auth/switch-organization", {"organizationId": str(organization.pk)}, format="json"
    ).json()


def is_alive(pair):
    """Whether the access token is taken; asserts that the refresh token would have the same answer."""
    statuses = {me(pair["access"]).status_code, renew(pair["refresh"]).status_code}
    assert statuses in ({200}, {401})
    return statuses == {200}


def test_takes_one_query_to_know_who_asks(pair, user, organization, django_assert_num_queries):
    request = APIRequestFactory(HTTP_AUTHORIZATION=f"Bearer {pair['access']}").get(ME)
    request._request = request

    with django_assert_num_queries(1):
        asker, _ = OrganizationJWTAuthentication().authenticate(request)
        known = (asker.email, request.membership.role, request.organization.name)

    assert known == (user.email, "member", organization.name)


def test_renews_a_pair_of_the_same_sign_in(pair):
    renewed = renew(pair["refresh"]).json()

    assert is_alive(renewed)
    assert TokenFamily.objects.count() == 1


def test_keeps_an_access_token_good_after_a_renewal(pair):
    renew(pair["refresh"])

    assert me(pair["access"]).status_code == 200


def test_ends_the_sign_in_when_a_refresh_token_is_used_twice(pair, membership, caplog):
    other_sign_in = issue_tokens(membership)
    renewed = renew(pair["refresh"]).json()

    again = renew(pair["refresh"])

    assert (again.status_code, again.json()["code"]) == (401, "refresh_token_invalid")
    assert not is_alive(renewed)
    assert me(pair["access"]).status_code == 401
    assert is_alive(other_sign_in)
    assert [record.getMessage() for record in caplog.records if "used twice" in record.getMessage()] != []
    assert pair["refresh"] not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_renews_a_pair_once_however_many_ask_at_the_same_time(membership):
    senders, pairs = 32, [issue_tokens(membership) for _ in range(10)]
    together = threading.Barrier(senders)

    def send_each(_):
        try:
            return [attempt(pair["refresh"]) for pair in pairs]
        finally:
            connection.close()

    def attempt(refresh):
        together.wait()
        try:
            return rotate_tokens(refresh)
        except tokens.RefreshRefused:
            return None

    with ThreadPoolExecutor(senders) as threads:
        answers = list(threads.map(send_each, range(senders)))

    winners = [[pair for pair in of_one_token if pair] for of_one_token in zip(*answers, strict=True)]
    assert [len(pairs) for pairs in winners] == [1] * 10
    assert not any(is_alive(pair) for [pair] in winners)


def test_stays_signed_in_as_long_as_it_renews_within_a_week(pair):
    start = timezone.now()
    with time_machine.travel(start + timedelta(days=6), tick=False):
        second = renew(pair["refresh"]).json()
    with time_machine.travel(start + timedelta(days=12), tick=False):
        third = renew(second["refresh"]).json()

    with time_machine.travel(start + timedelta(days=19), tick=False):
        assert renew(third["refresh"]).status_code == 401


def test_ends_after_thirty_days_however_often_it_renews(pair, user, other_organization):
    user.memberships.create(organization=other_organization)
    start = timezone.now()
    for day in (6, 12, 18):
        with time_machine.travel(start + timedelta(days=day), tick=False):
            pair = renew(pair["refresh"]).json()
    with time_machine.travel(start + timedelta(days=18), tick=False):
        elsewhere = switch(pair, other_organization)
    for day in (24, 29):
        with time_machine.travel(start + timedelta(days=day), tick=False):
            pair, elsewhere = (renew(one["refresh"]).json() for one in (pair, elsewhere))

    with time_machine.travel(start + timedelta(days=30, seconds=1), tick=False):
        assert [renew(one["refresh"]).status_code for one in (pair, elsewhere)] == [401, 401]


def test_ends_an_access_token_after_ten_minutes(pair):
    start = timezone.now()

    with time_machine.travel(start + timedelta(minutes=9), tick=False):
        assert me(pair["access"]).status_code == 200
    with time_machine.travel(start + timedelta(minutes=10, seconds=1), tick=False):
        answer = me(pair["access"])

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")


def remove(user, pair):
    user.memberships.all().delete()


def deactivate(user, pair):
    user.is_active = False
    user.save()


def change_password(user, pair):
    user.password = make_password("another password")
    user.save()


def change_role(user, pair):
    user.memberships.get().change_role(Role.ADMIN)


def delete(user, pair):
    user.delete()


def delete_organization(user, pair):
    user.organizations.get().delete()


def sign_out(user, pair):
    assert revoke(pair["refresh"]).status_code == 204


def sign_out_with_a_used_token(user, pair):
    used, pair["refresh"] = pair["refresh"], renew(pair["refresh"]).json()["refresh"]
    assert revoke(used).status_code == 204


def sign_out_everywhere(user, pair):
    assert api_client(user).post("/api/auth/token/revoke-all").status_code == 204


@pytest.mark.parametrize(
    "event",
    [
        *(remove, deactivate, change_password, change_role, delete, delete_organization),
        *(sign_out, sign_out_with_a_used_token, sign_out_everywhere),
    ],
)
def test_ends_both_tokens_at_once(user, pair, event):
    event(user, pair)

    assert not is_alive(pair)


def test_changes_a_role(membership):
    membership.change_role(Role.OWNER)

    assert Membership.objects.get(pk=membership.pk).role == membership.role == "owner"


def test_signs_out_one_sign_in_only(pair, membership, colleague):
    second, foreign = issue_tokens(membership), issue_tokens(colleague.memberships.get())

    revoke(pair["refresh"])

    assert is_alive(second)
    assert is_alive(foreign)


def test_signs_out_twice_as_well_as_once(pair):
    revoke(pair["refresh"])

    assert revoke(pair["refresh"]).status_code == 204


def test_signs_a_viewer_out_everywhere_and_nobody_else(viewer_api, viewer, user, pair):
    second = viewer.memberships.create(organization=OrganizationFactory(), role="viewer")
    elsewhere = issue_tokens(second)

    answer = viewer_api.post("/api/auth/token/revoke-all")

    assert answer.status_code == 204
    assert viewer_api.get(ME).json()["code"] == "token_revoked"
    assert not is_alive(elsewhere)
    assert is_alive(pair)


def test_ends_the_web_sign_in_alone_with_a_web_sign_out(client, user, pair):
    client.force_login(user)

    client.post("/logout")

    assert client.get("/").status_code == 302
    assert is_alive(pair)


@pytest.mark.django_db(transaction=True)
def test_signs_nobody_in_who_was_removed_a_moment_ago(membership):
    Membership.objects.filter(pk=membership.pk).delete()

    with pytest.raises(tokens.SignInRefused):
        issue_tokens(membership)


def test_remembers_when_somebody_signed_in(user, pair):
    user.refresh_from_db()

    assert timezone.now() - user.last_login < timedelta(minutes=1)


def test_deletes_expired_sign_ins_only(membership, pair):
    living = TokenFamily.objects.get()
    expired = issue_tokens(membership)
    TokenFamily.objects.exclude(pk=living.pk).update(expires_at=timezone.now())

    delete_expired_token_families()

    assert TokenFamily.objects.get() == living
    assert not is_alive(expired)


def test_schedules_tasks_that_exist(settings):
    app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_signs_nobody_out_while_the_key_changes(settings, membership):
    settings.JWT_KEYS = [OLD]
    before = issue_tokens(membership)
    settings.JWT_KEYS = [OLD, NEW]
    announced = renew(before["refresh"]).json()
    settings.JWT_KEYS = [NEW, OLD]
    changed = renew(announced["refresh"]).json()

    assert me(before["access"]).status_code == me(announced["access"]).status_code == 200
    settings.JWT_KEYS = [NEW]
    assert is_alive(changed)


def test_refuses_the_tokens_of_a_retired_key(settings, membership):
    settings.JWT_KEYS = [OLD]
    pair = issue_tokens(membership)

    settings.JWT_KEYS = [NEW]

    assert not is_alive(pair)


@pytest.mark.parametrize("keys", [f"{NEW},", f"{NEW},too short"])
def test_starts_with_no_key_that_can_be_guessed(keys):
    environment = os.environ | {"JWT_KEYS": keys}

    started = subprocess.run(
        [sys.executable, "-c", "import config.settings"], env=environment, capture_output=True, text=True
    )

    assert started.returncode != 0
    assert "Each of JWT_KEYS takes 32 or more random characters" in started.stderr
