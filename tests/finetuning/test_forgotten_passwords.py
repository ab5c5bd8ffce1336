"""The way back in by e-mail: for who has the account's mailbox, once, within an hour."""

import re
import smtplib
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from finetuning.api.tokens import issue_tokens
from finetuning.models import AuditEntry, User
from finetuning.passwords import services, tasks
from finetuning.passwords.views import SENT
from tests.factories import PASSWORD
from tests.finetuning.test_tokens_admin import is_alive

pytestmark = pytest.mark.django_db
PAGE = "/forgotten-password"
NEW = "another horse, another battery"


@pytest.fixture(autouse=True)
def _email(settings):
    settings.EMAIL_IS_SENT = True


@pytest.fixture
def queued(monkeypatch):
    """The messages that would go to the workers."""
    found = []
    monkeypatch.setattr(tasks.send_password_link, "apply_async", lambda kwargs, **_: found.append(kwargs))
    return found


@pytest.fixture
def ask(client, queued, django_capture_on_commit_callbacks):
    """Asks for a link as a browser does, and lets a worker send what is to be sent."""

    def ask(email):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(PAGE, {"email": email}, follow=True)
        while queued:
            tasks.send_password_link(**queued.pop())
        return answer

    return ask


def link_of(message):
    return re.search(r"http://testserver(\S+)", message.body)[1]


def choose(link, password=NEW):
    """Open the link in another browser and choose a password there."""
    browser = Client()
    opened = browser.get(link)
    if opened.status_code == 200:
        return opened
    return browser.post(
        opened["Location"], {"new_password1": password, "new_password2": password}, follow=True
    )


def test_works_in_a_browser_that_is_signed_in(ask, client, user):
    client.force_login(user)
    ask(user.email)
    opened = client.get(link_of(mail.outbox[0]))

    answer = client.post(opened["Location"], {"new_password1": NEW, "new_password2": NEW}, follow=True)

    assert "Your password is changed" in answer.text
    assert answer.redirect_chain[-1] == ("/login", 302)


def test_leads_back_in_and_ends_all_sign_ins(ask, client, user):
    pair, session = issue_tokens(user.memberships.get()), Client()
    session.force_login(user)
    ask(user.email.upper())
    [message] = mail.outbox

    answer = choose(link_of(message))

    user.refresh_from_db()
    assert message.to == [user.email]
    assert "Your password is changed" in answer.text
    assert user.check_password(NEW)
    assert not is_alive(pair)
    assert not user.memberships.get().token_families.living(timezone.now()).exists()
    assert session.get("/settings/profile").status_code == 302
    entries = AuditEntry.objects.filter(action__startswith="user.password").order_by("id")
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("user.password_link_asked", ""),
        ("user.password_reset", user.email),
    ]


def test_answers_the_same_for_an_account_that_is_none(ask, user):
    answers = [ask(email) for email in (user.email, "nobody@example.com")]

    assert [message.to for message in mail.outbox] == [[user.email]]
    assert [SENT in answer.text for answer in answers] == [True, True]
    assert [answer.redirect_chain for answer in answers] == [[("/login", 302)]] * 2


def test_queues_the_same_for_an_account_that_is_none(
    client, user, queued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        for email in (user.email, "nobody@example.com"):
            client.post(PAGE, {"email": email})

    assert [kwargs.keys() for kwargs in queued] == [{"user_id", "page"}] * 2


def test_is_good_once(ask, user):
    ask(user.email)
    link = link_of(mail.outbox[0])
    choose(link)

    again = choose(link, "a third and different phrase")

    assert "This link is not valid" in again.text
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_ends_after_an_hour(ask, user):
    ask(user.email)

    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=2)):
        answer = choose(link_of(mail.outbox[0]))

    assert "This link is not valid" in answer.text


@pytest.mark.parametrize("change", ["sign_in", "email"])
def test_ends_with_what_it_was_made_for(ask, client, user, change):
    ask(user.email)
    if change == "sign_in":
        client.post("/login", {"username": user.email, "password": PASSWORD})
    else:
        User.objects.filter(pk=user.pk).update(email="new@example.com")

    assert "This link is not valid" in choose(link_of(mail.outbox[0])).text


def test_sets_one_password_of_two_that_are_chosen_at_the_same_time(user):
    first, second = (User.objects.get(pk=user.pk) for _ in range(2))
    services.reset_password(first, password=NEW)

    with pytest.raises(services.LinkUsed):
        services.reset_password(second, password="a third and different phrase")

    user.refresh_from_db()
    assert user.check_password(NEW)


def test_takes_no_password_that_is_easily_guessed(ask, user):
    ask(user.email)

    answer = choose(link_of(mail.outbox[0]), "password123")

    assert "too common" in answer.text
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize("columns", [{"is_active": False}, {"password": "!"}])
def test_sends_none_to_whom_it_would_not_let_in(ask, user, columns):
    User.objects.filter(pk=user.pk).update(**columns)

    ask(user.email)

    assert mail.outbox == []


def test_fills_no_mailbox(ask, user):
    answers = [ask(user.email) for _ in range(services.LINKS_PER_ACCOUNT + 1)]

    assert len(mail.outbox) == services.LINKS_PER_ACCOUNT
    assert answers[-1].status_code == 422
    assert "too many attempts" in answers[-1].text


def test_limits_a_network_over_all_accounts(ask, settings):
    settings.SIGN_INS_PER_NETWORK = 2

    answers = [ask(f"nobody{number}@example.com") for number in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 422]


def test_survives_a_mail_server_that_is_down(ask, user, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(services, "send_mail", refuse)

    assert ask(user.email).status_code == 200
    assert f"was not e-mailed to user {user.pk}: gone" in caplog.text


def test_says_where_no_email_is_sent(client, user, settings, queued):
    settings.EMAIL_IS_SENT = False

    shown, posted = client.get(PAGE), client.post(PAGE, {"email": user.email})

    assert "sends no e-mail" in shown.text
    assert "sends no e-mail" in posted.text
    assert queued == []


def test_is_found_on_the_sign_in_page(client):
    assert f'href="{PAGE}"' in client.get("/login").text
