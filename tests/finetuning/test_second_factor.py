"""What is shown beside the password, a code of an app that is good once; and how operators show it."""

import time
from base64 import b32decode
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from finetuning.models import AuditEntry, SecondFactor
from finetuning.second_factor import services
from tests.factories import PASSWORD, UserFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db
SITE, PAGE = reverse("admin:index"), reverse("second-factor")
LED_HERE = (f"{PAGE}?next={SITE}", 302)
# In the middle of a step, so that what a test does is within it.
NOW = datetime(2026, 11, 26, 12, 0, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _stopped_clock():
    with time_machine.travel(NOW, tick=False):
        yield


def confirmed_factor(user):
    """One that the user set up yesterday."""
    factor = services.begin_factor(user)
    factor.confirmed_at = NOW - timedelta(days=1)
    factor.save()
    return factor


@pytest.fixture
def factor(operator):
    return confirmed_factor(operator)


def code_of(factor, *, later=0):
    """What the telephone shows."""
    return code_from(factor.secret, later=later)


def code_from(secret, *, later=0):
    codes = TOTP(b32decode(secret), 6, SHA1(), 30)
    return codes.generate(int(time.time()) + later).decode()


def is_in(client):
    return client.get(SITE).status_code == 200


def enter(client, code, following=SITE):
    return client.post(PAGE, {"code": code, "next": following})


def test_lets_no_operator_in_by_the_password_alone(operator, factor):
    client = Client()
    form = {"username": operator.email, "password": PASSWORD}

    signed_in = client.post(reverse("admin:login"), form | {"next": SITE}, follow=True)
    entered = enter(client, code_of(factor))

    assert signed_in.redirect_chain[-1] == LED_HERE
    assert (entered.status_code, entered["Location"]) == (302, SITE)
    assert is_in(client)
    assert AuditEntry.objects.get(action="user.second_factor_shown").actor == operator


def test_asks_once_a_session_and_again_in_another(operator, operator_client, factor):
    enter(operator_client, code_of(factor))
    another = Client()
    another.force_login(operator)

    assert is_in(operator_client)
    assert not is_in(another)


def test_protects_each_page_of_the_site(operator_client, factor, organization):
    asked = {"action": "suspend", "_selected_action": [str(organization.pk)]}

    answer = operator_client.post(reverse("admin:finetuning_organization_changelist"), asked)

    organization.refresh_from_db()
    assert answer.status_code == 302
    assert not organization.is_suspended


def test_is_set_up_with_an_app(operator, operator_client):
    operator_client.post(reverse("begin-second-factor"), {"password": PASSWORD})
    factor = SecondFactor.objects.get()
    shown = operator_client.get(PAGE)
    assert is_in(operator_client)

    enter(operator_client, code_of(factor))
    operator_client.post(reverse("begin-second-factor"), {"password": PASSWORD})

    factor.refresh_from_db()
    assert factor.secret in shown.text
    assert f"secret={factor.secret}" in shown.text
    assert factor.confirmed_at == NOW
    assert factor.secret not in operator_client.get(PAGE).text
    assert factor.secret.encode() not in bytes(factor.sealed_secret)
    assert SecondFactor.objects.get().secret == factor.secret
    assert AuditEntry.objects.get(action="user.second_factor_set_up").actor == operator


@pytest.mark.parametrize(
    ("later", "is_taken"), [(0, True), (-30, True), (30, True), (-60, False), (60, False), (3600, False)]
)
def test_takes_the_codes_of_about_now(operator_client, factor, later, is_taken):
    answer = enter(operator_client, code_of(factor, later=later))

    assert answer.status_code == (302 if is_taken else 422)
    assert is_in(operator_client) == is_taken


def test_takes_each_code_once(operator, operator_client, factor):
    enter(operator_client, code_of(factor))
    another = Client()
    another.force_login(operator)

    answer = enter(another, code_of(factor))

    assert "was used already" in answer.text
    assert not is_in(another)


@pytest.mark.django_db(transaction=True)
def test_takes_a_code_once_of_many_at_the_same_time(factor):
    code = code_of(factor)

    taken = at_once(*(lambda: SecondFactor.objects.get().use_code(code, now=NOW) for _ in range(5)))

    assert sorted(taken) == [False, False, False, False, True]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666"])
def test_takes_nothing_that_is_no_code(operator_client, factor, code):
    assert enter(operator_client, code).status_code == 422
    assert not is_in(operator_client)


def test_limits_guesses(operator_client, factor, settings):
    settings.SIGN_INS_PER_ACCOUNT = 2
    wrong = f"{(int(code_of(factor)) + 7) % 1_000_000:06}"
    for _ in range(2):
        enter(operator_client, wrong)

    answer = enter(operator_client, code_of(factor))

    assert "too many attempts" in answer.text
    assert not is_in(operator_client)
    assert AuditEntry.objects.filter(action="user.second_factor_failed").count() == 2


def test_can_be_asked_of_every_operator(operator_client, settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True

    answer = operator_client.get(SITE, follow=True)

    assert answer.redirect_chain[-1] == LED_HERE
    assert "Set it up" in answer.text


def test_another_operator_lets_a_lost_one_be_forgotten(operator, operator_client, factor):
    enter(operator_client, code_of(factor))
    other = Client()
    other.force_login(UserFactory(is_staff=True, is_superuser=True))
    asked = {"action": "forget", "_selected_action": [str(factor.pk)]}

    other.post(reverse("admin:finetuning_secondfactor_changelist"), asked)
    anew = services.begin_factor(operator)
    operator_client.force_login(operator)
    enter(operator_client, code_of(anew, later=30))

    assert anew.secret != factor.secret
    assert AuditEntry.objects.filter(action="user.second_factor_forgotten").exists()


def test_what_one_factor_let_in_another_does_not(operator, operator_client, factor):
    enter(operator_client, code_of(factor))
    # By hand: to forget one ends this session, too.
    factor.delete()
    anew = services.begin_factor(operator)
    another = Client()
    another.force_login(operator)

    SecondFactor.objects.update(confirmed_at=NOW)

    enter(another, code_of(anew))

    assert is_in(another)
    assert not is_in(operator_client)


def test_the_only_operator_comes_back_by_the_command(operator, operator_client, factor, capsys):
    enter(operator_client, code_of(factor))

    call_command("forget_second_factor", operator.email.upper())

    assert not is_in(operator_client)
    operator_client.force_login(operator)
    assert is_in(operator_client)
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("forget_second_factor", operator.email)


def test_is_sealed_anew_with_a_new_key(factor, settings):
    secret, before = factor.secret, bytes(factor.sealed_secret)
    settings.ENCRYPTION_KEYS = ["another key for the years to come", *settings.ENCRYPTION_KEYS]

    call_command("rotate_keys")

    after = SecondFactor.objects.get()
    assert bytes(after.sealed_secret) != before
    assert after.secret == secret
