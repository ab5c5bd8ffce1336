"""Everybody sees their own sessions of the pages, and ends them."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from finetuning.browsers import browser_of
from finetuning.models import AuditEntry, PageSession
from finetuning.sessions import ROW, SessionStore
from finetuning.tasks import delete_expired_sessions
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
PROFILE, END = "/settings/profile", "/settings/profile/sessions"
OTHERS = f"{END}/others"
NEW = "another horse, another battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


def sign_in(user, *, agent=FIREFOX, address="192.0.2.7"):
    browser = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    browser.post("/login", {"username": user.email, "password": PASSWORD})
    return browser


def key_of(browser):
    return browser.cookies["sessionid"].value


def row_of(browser):
    return PageSession.objects.get(session=key_of(browser))


def is_in(browser):
    return browser.get("/").status_code == 200


@pytest.fixture
def own(viewer):
    return sign_in(viewer)


@pytest.fixture
def other(viewer, own):
    return sign_in(viewer, agent=CHROME, address="2001:db8::1")


def test_lists_ones_own_and_which_is_this_one(viewer, own, other, outsider):
    sign_in(outsider)

    shown = own.get(PROFILE)

    listed = [(one.browser, one.address, one.session_id) for one in shown.context["sessions"]]
    assert listed == [
        ("Chrome on Windows", "2001:db8::1", key_of(other)),
        ("Firefox on Linux", "192.0.2.7", key_of(own)),
    ]
    assert shown.text.count("This one") == 1
    assert str(row_of(other).pk) in shown.text
    assert str(row_of(own).pk) not in shown.text


def test_shows_no_key(own, other):
    shown = own.get(PROFILE).text

    assert key_of(own) not in shown
    assert key_of(other) not in shown


@pytest.mark.parametrize("agent", ['<script>alert("x")</script>', "x" * 5000, "a\0b", "", "\u202etxt.exe"])
def test_shows_whatever_a_browser_says_of_itself_as_text(viewer, own, agent):
    browser = sign_in(viewer, agent=agent.encode().decode("latin-1"))

    shown = own.get(PROFILE)

    assert is_in(browser)
    assert "<script>alert" not in shown.text
    assert "\u202e" not in shown.text
    assert max(len(one.browser) for one in shown.context["sessions"]) <= 60


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/142.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1", "Safari on iOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown"),
    ],
)
def test_names_the_browser(agent, name):
    assert browser_of(agent) == name


def test_ends_the_chosen_one_at_its_next_request(viewer, own, other):
    third, chosen = sign_in(viewer), row_of(other)

    answer = own.post(END, {"session": chosen.pk}, follow=True)

    assert "The session has ended." in answer.text
    assert other.get("/")["Location"].startswith("/login")
    assert is_in(own)
    assert is_in(third)
    assert not Session.objects.filter(pk=chosen.session_id).exists()
    entry = AuditEntry.objects.get(action="user.session_ended")
    assert (entry.actor, entry.changes) == (viewer, {"session": [None, str(chosen.pk)]})


def test_what_is_on_its_way_does_not_bring_an_ended_one_back(own, other):
    on_its_way = SessionStore(key_of(other))
    on_its_way["organization_id"] = "x"
    own.post(END, {"session": row_of(other).pk})

    with pytest.raises(UpdateError):
        on_its_way.save()
    assert not is_in(other)


def test_ends_nobody_elses(own, outsider):
    foreign = sign_in(outsider)

    answer = own.post(END, {"session": row_of(foreign).pk}, follow=True)

    assert "has ended already" in answer.text
    assert is_in(foreign)


@pytest.mark.parametrize("sent", ["", "x", "own"])
def test_ends_neither_this_one_nor_what_is_no_id(own, sent):
    assert own.post(END, {"session": row_of(own).pk if sent == "own" else sent}).status_code == 302
    assert is_in(own)


def test_ends_all_others(viewer, own, other, outsider):
    third, foreign = sign_in(viewer), sign_in(outsider)

    own.post(OTHERS)

    assert [is_in(browser) for browser in (own, other, third, foreign)] == [True, False, False, True]
    entry = AuditEntry.objects.get(action="user.other_sessions_ended")
    assert (entry.actor, entry.changes) == (viewer, {"sessions": [None, 2]})
    assert "End all others" not in own.get(PROFILE).text


def test_the_row_follows_its_session_to_another_key(own):
    row, key = row_of(own), key_of(own)
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        passwords = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
        own.post("/settings/profile/password", passwords)

    after = PageSession.objects.get()
    assert key_of(own) != key
    assert (after.pk, after.began_at, after.session_id) == (row.pk, row.began_at, key_of(own))


def test_a_new_password_leaves_no_other_row(own, other):
    passwords = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    own.post("/settings/profile/password", passwords)

    assert PageSession.objects.get() == row_of(own)
    assert not is_in(other)


def test_signing_out_takes_its_row_away_and_signing_in_makes_another(viewer, own):
    row = row_of(own)

    own.post("/logout")
    gone = not PageSession.objects.exists()
    own.post("/login", {"username": viewer.email, "password": PASSWORD})

    assert gone
    assert PageSession.objects.get().pk != row.pk


def test_a_browser_that_changes_its_user_gets_another_row(own, outsider):
    row = row_of(own)

    own.force_login(outsider)

    assert PageSession.objects.get().user == outsider
    assert PageSession.objects.get().pk != row.pk


def test_who_has_not_signed_in_has_no_row(client):
    client.get("/login")
    store = SessionStore()
    store["organization_id"] = "x"
    store.save()

    assert Session.objects.exists()
    assert not PageSession.objects.exists()


def write_as_before_the_upgrade(browser):
    store = SessionStore(key_of(browser))
    PageSession.objects.all().delete()
    del store[ROW]
    super(SessionStore, store).save()


def test_one_that_began_before_the_upgrade_is_listed_from_its_next_request_on(viewer, own):
    write_as_before_the_upgrade(own)

    is_in(own)

    assert row_of(own).user == viewer
    assert row_of(own).browser == "Firefox on Linux"


@pytest.mark.parametrize("is_old", [False, True])
def test_one_of_a_user_who_was_deleted_harms_nobody(viewer, own, is_old):
    if is_old:
        write_as_before_the_upgrade(own)
    viewer.delete()

    assert not is_in(own)
    assert not PageSession.objects.exists()


def test_rows_go_with_their_expired_sessions_and_are_not_shown_meanwhile(own, other):
    Session.objects.filter(pk=key_of(other)).update(expire_date=timezone.now())
    shown = own.get(PROFILE).context["session_count"]

    delete_expired_sessions()

    assert shown == 1
    assert PageSession.objects.get() == row_of(own)
    assert Session.objects.count() == 1


def test_shows_the_last_twenty_of_many(viewer, own):
    for _ in range(20):
        Client().force_login(viewer)

    answer = own.get(PROFILE)

    assert len(answer.context["sessions"]) == 20
    assert "The last 20 of 21." in answer.text
