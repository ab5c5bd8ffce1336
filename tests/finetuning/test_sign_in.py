from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import authenticate
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from finetuning import tasks
from finetuning.models import SignInCounter
from finetuning.sign_in import TooManySignIns, client_network
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
TOKEN = "/api/auth/token"


def sign_in(email="user@example.com", password="wrong", **extra):
    return APIClient().post(TOKEN, {"email": email, "password": password}, format="json", **extra)


def request_from(address, forwarded=None):
    extra = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().post("/login", REMOTE_ADDR=address, **extra)


@pytest.mark.parametrize("email", ["user@example.com", "nobody@example.com"])
def test_answers_the_same_for_an_account_that_is_none(user, settings, email):
    settings.SIGN_INS_PER_ACCOUNT = 2

    answers = [sign_in(email) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].json()["code"] == "too_many_sign_ins"
    assert answers[1]["X-RateLimit-Remaining"] == "0"
    assert 890 <= int(answers[2]["Retry-After"]) <= 900


def test_counts_the_spellings_of_an_email_as_one_account(user, settings):
    settings.SIGN_INS_PER_ACCOUNT = 1
    sign_in("USER@example.com")

    assert sign_in("user@Example.com", PASSWORD).status_code == 429


def test_counts_all_doors_together(client, user, settings):
    settings.SIGN_INS_PER_ACCOUNT = 2
    form = {"username": user.email, "password": "wrong"}
    sign_in()
    client.post("/login", form)

    page = client.post("/login", form | {"password": PASSWORD})
    admin = client.post("/admin/login/", form | {"password": PASSWORD})

    assert "too many attempts" in page.content.decode()
    assert "too many attempts" in admin.content.decode()
    assert sign_in(password=PASSWORD).status_code == 429
    assert "_auth_user_id" not in client.session


def test_does_not_count_who_knows_the_password(user, settings):
    settings.SIGN_INS_PER_ACCOUNT = settings.SIGN_INS_PER_NETWORK = 2

    answers = [sign_in(password=PASSWORD) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}


def test_counts_a_network_over_all_accounts(user, settings):
    settings.SIGN_INS_PER_NETWORK = 2
    for number in range(2):
        sign_in(f"nobody{number}@example.com")

    assert sign_in(password=PASSWORD).status_code == 429
    assert sign_in(password=PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 200


def test_starts_anew_after_a_quarter_of_an_hour(user, settings):
    settings.SIGN_INS_PER_ACCOUNT = 1
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        sign_in()

    assert [sign_in().status_code, sign_in().status_code] == [401, 429]


def test_checks_no_password_that_is_too_long(user):
    user.set_password("x" * 1025)
    user.save()

    assert authenticate(request_from("192.0.2.1"), username=user.email, password="x" * 1025) is None


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "network"),
    [
        (0, "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (1, "192.0.2.1", "203.0.113.9", "203.0.113.9"),
        (1, "192.0.2.1", "10.9.9.9, 203.0.113.9", "203.0.113.9"),
        (2, "192.0.2.1", "10.9.9.9, 203.0.113.9, 192.0.2.7", "203.0.113.9"),
        (2, "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (1, "192.0.2.1", None, "192.0.2.1"),
        (1, "192.0.2.1", "rubbish", "none"),
        (0, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "", None, "none"),
    ],
)
def test_believes_only_its_own_proxies(settings, proxies, address, forwarded, network):
    settings.TRUSTED_PROXIES = proxies

    assert client_network(request_from(address, forwarded)) == f"network:{network}"


def test_gives_no_more_guesses_for_a_forged_address(user, settings):
    settings.SIGN_INS_PER_NETWORK = 10

    answers = [sign_in(f"n{n}@example.com", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}") for n in range(30)]

    assert [answer.status_code for answer in answers].count(401) == 10


def test_forgets_counters_that_are_over(user):
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        sign_in()
    sign_in("other@example.com", REMOTE_ADDR="198.51.100.7")

    tasks.delete_old_counters_and_answers()

    assert SignInCounter.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_checks_exactly_so_many_guesses_however_many_come_at_the_same_time(settings):
    settings.SIGN_INS_PER_ACCOUNT = 10
    settings.SIGN_INS_PER_NETWORK = 1_000_000
    user = UserFactory()

    def guess(number):
        try:
            authenticate(
                request_from(f"10.0.{number // 200}.{number % 200}"), username=user.email, password="x"
            )
        except TooManySignIns:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(40) as pool:
        checked = list(pool.map(guess, range(1000)))

    assert sum(checked) == 10
