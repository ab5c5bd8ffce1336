"""A second factor of everybody: what it keeps out of the pages and the API, setting it up and removing it."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from finetuning.api.tokens import issue_tokens
from finetuning.members import invitations
from finetuning.models import AuditEntry, Role, SecondFactor
from finetuning.passwords import services as passwords
from finetuning.second_factor import services
from tests.conftest import api_client
from tests.factories import PASSWORD
from tests.finetuning.test_second_factor import NOW, PAGE, code_of, confirmed_factor, enter
from tests.finetuning.test_tokens_admin import is_alive

pytestmark = pytest.mark.django_db
PROFILE, REMOVE, TOKEN = "/settings/profile", "/settings/profile/second-factor", "/api/auth/token"
JOBS = reverse("jobs:list")


@pytest.fixture(autouse=True)
def _stopped_clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def factor(viewer):
    return confirmed_factor(viewer)


def wrong(factor):
    return f"{(int(code_of(factor)) + 7) % 1_000_000:06}"


def sign_in(client, user, following="", password=PASSWORD):
    sent = {"username": user.email, "password": password, "next": following}
    return client.post("/login", sent, follow=True)


def browser_of(user):
    browser = Client()
    browser.force_login(user)
    return browser


def is_in(browser):
    return browser.get("/").status_code == 200


def begin(browser, following="", password=PASSWORD):
    sent = {"password": password, "next": following}
    return browser.post(reverse("begin-second-factor"), sent, follow=True)


def ask_for_token(user, **more):
    sent = {"email": user.email, "password": PASSWORD, **more}
    return APIClient().post(TOKEN, sent, format="json")


def refusal(answer):
    return answer.status_code, answer.json()["code"]


def test_asks_for_a_code_after_the_password_and_goes_on_to_where_one_wanted(client, viewer, factor):
    asked = sign_in(client, viewer, following=f"{JOBS}?status=failed")
    before = client.cookies["sessionid"].value

    shown = enter(client, code_of(factor), asked.context["next"])

    assert asked.redirect_chain[-1] == (f"{PAGE}?next={JOBS}%3Fstatus%3Dfailed", 302)
    assert shown["Location"] == f"{JOBS}?status=failed"
    assert client.cookies["sessionid"].value != before
    assert is_in(client)
    assert AuditEntry.objects.get(action="user.second_factor_shown").actor == viewer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/"),
        ("get", PROFILE),
        ("post", PROFILE),
        ("get", "/organizations"),
        ("get", "/admin/"),
        ("get", "/login"),
    ],
)
def test_lets_nobody_on_any_page_without_it(viewer, factor, method, path):
    answer = getattr(browser_of(viewer), method)(path, {"name": "Mallory"})

    viewer.refresh_from_db()
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{PAGE}?next=")
    assert viewer.display_name == viewer.email


@pytest.mark.parametrize("method", ["get", "post"])
def test_lets_no_program_in_by_the_session_without_it(viewer, factor, method):
    answer = getattr(browser_of(viewer), method)("/api/auth/me")

    assert refusal(answer) == (403, "second_factor_required")
    assert PAGE in answer.json()["detail"]


def test_lets_everybody_leave_without_it(viewer, factor):
    browser = browser_of(viewer)

    assert browser.post("/logout", follow=True).redirect_chain[-1][0] == "/login"
    assert "Sign out" in browser_of(viewer).get(PAGE).text


@pytest.mark.parametrize("following", ["https://example.com/", "//example.com", "javascript:alert(1)", ""])
def test_leads_to_no_other_host(viewer, factor, following):
    assert enter(browser_of(viewer), code_of(factor), following)["Location"] == "/"


def test_a_new_password_does_not_get_round_it(client, viewer, factor):
    passwords.reset_password(viewer, password="another horse, another battery")

    answer = sign_in(client, viewer, password="another horse, another battery")

    assert answer.redirect_chain[-1][0].startswith(PAGE)
    assert not is_in(client)


def test_an_invitation_waits_behind_it(client, viewer, factor, other_organization, outsider):
    owner = outsider.memberships.get()
    _, link = invitations.invite_member(
        other_organization, by=owner, email=viewer.email, role=Role.MEMBER, page="/invitations/"
    )
    asked = sign_in(client, viewer, following=link)
    early = client.post(link)

    shown = enter(client, code_of(factor), asked.context["next"])
    joined = client.post(shown["Location"], follow=True)

    assert early["Location"].startswith(PAGE)
    assert "Welcome to Rivals." in joined.text


def test_one_code_is_good_for_the_operators_site_too(operator):
    factor, browser = confirmed_factor(operator), browser_of(operator)

    enter(browser, code_of(factor), "/")

    assert browser.get("/organizations").status_code == 200
    assert browser.get("/admin/").status_code == 200


def test_costs_a_page_no_query(viewer, client, django_assert_num_queries):
    client.force_login(viewer)
    # The session, the user, the membership and the page's own.
    with django_assert_num_queries(4):
        client.get("/organizations")


# Setting up and removing


def test_is_set_up_from_the_profile_and_ends_all_other_sign_ins(viewer, client):
    client.force_login(viewer)
    other, pair = browser_of(viewer), issue_tokens(viewer.memberships.get())
    offered = client.get(PROFILE).text
    asked = begin(client, PROFILE)
    factor = SecondFactor.objects.get()
    assert is_in(other)

    shown = client.post(PAGE, {"code": code_of(factor), "next": asked.context["next"]}, follow=True)

    assert f"{PAGE}?next={PROFILE}" in offered
    assert factor.secret in asked.text
    assert shown.redirect_chain == [(PROFILE, 302)]
    assert "You are signed out everywhere else." in shown.text
    assert "Remove it" in shown.text
    assert other.get("/", follow=True).redirect_chain[-1][0].startswith("/login")
    assert not is_alive(pair)
    assert AuditEntry.objects.get(action="user.second_factor_set_up").actor == viewer


def test_is_set_up_by_who_knows_the_password(viewer, client, settings):
    settings.SIGN_INS_PER_ACCOUNT = 2
    client.force_login(viewer)
    for _ in range(2):
        refused = begin(client, password="wrong")

    too_often = begin(client)

    assert refused.status_code == 422
    assert "This is not your password." in refused.text
    assert "too many attempts" in too_often.text
    assert not SecondFactor.objects.exists()


def test_is_removed_with_a_code_and_ends_all_other_sign_ins(viewer, client, factor):
    client.force_login(viewer)
    enter(client, code_of(factor, later=-30))
    other, pair = browser_of(viewer), issue_tokens(viewer.memberships.get())
    enter(other, code_of(factor))

    refused = client.post(REMOVE, {"code": wrong(factor)})
    still_there = SecondFactor.objects.exists()
    removed = client.post(REMOVE, {"code": code_of(factor, later=30)}, follow=True)

    assert refused.status_code == 422
    assert "This code is wrong" in refused.text
    assert still_there
    assert "Your second factor is removed." in removed.text
    assert not SecondFactor.objects.exists()
    assert not is_in(other)
    assert not is_alive(pair)
    assert AuditEntry.objects.get(action="user.second_factor_removed").actor == viewer


def test_limits_guesses_at_removing_it(viewer, client, factor, settings):
    client.force_login(viewer)
    enter(client, code_of(factor))
    settings.SIGN_INS_PER_ACCOUNT = 2
    for _ in range(2):
        client.post(REMOVE, {"code": wrong(factor)})

    answer = client.post(REMOVE, {"code": code_of(factor, later=30)})

    assert "too many attempts" in answer.text
    assert SecondFactor.objects.exists()


def test_forgetting_it_ends_all_sign_ins(viewer, client, factor):
    client.force_login(viewer)
    enter(client, code_of(factor))
    pair = issue_tokens(viewer.memberships.get())

    services.forget_factor(factor)

    assert not is_in(client)
    assert not is_alive(pair)


def test_one_that_was_not_confirmed_asks_nothing(viewer):
    services.begin_factor(viewer)

    assert is_in(browser_of(viewer))
    assert ask_for_token(viewer).status_code == 200


# Signing in to the API


def test_the_api_asks_for_it_and_takes_each_code_once(viewer, factor):
    code = code_of(factor)

    without, bad = ask_for_token(viewer), ask_for_token(viewer, code=wrong(factor))
    right = ask_for_token(viewer, code=f"{code[:3]} {code[3:]}")
    again = ask_for_token(viewer, code=code)

    assert refusal(without) == (401, "second_factor_required")
    assert refusal(bad) == (401, "wrong_code")
    assert refusal(again) == (401, "wrong_code")
    assert is_alive(right.json())
    renewed = APIClient().post(f"{TOKEN}/refresh", {"refresh": right.json()["refresh"]}, format="json")
    assert is_alive(renewed.json())
    assert AuditEntry.objects.get(action="user.second_factor_shown").actor == viewer


@pytest.mark.parametrize("code", ["", "12345", "abcdef", None, 123456, "123456\n", "123456 "])
def test_the_api_takes_nothing_that_is_no_code(viewer, factor, code):
    assert ask_for_token(viewer, code=code).status_code in (400, 401)


def test_the_api_tells_nothing_of_it_without_the_password(viewer, factor):
    answer = ask_for_token(viewer, password="wrong", code=code_of(factor))

    assert refusal(answer) == (401, "wrong_credentials")


def test_the_api_limits_guesses_together_with_the_pages(viewer, factor, settings):
    settings.SIGN_INS_PER_ACCOUNT = 2
    enter(browser_of(viewer), wrong(factor))
    ask_for_token(viewer, code=wrong(factor))

    assert refusal(ask_for_token(viewer, code=code_of(factor))) == (429, "too_many_sign_ins")


def test_an_invitation_by_the_api_does_not_get_round_it(viewer, factor, other_organization, outsider):
    owner = outsider.memberships.get()
    _, token = invitations.invite_member(
        other_organization, by=owner, email=viewer.email, role=Role.MEMBER, page=""
    )
    sent = {"token": token, "password": PASSWORD}
    accept = reverse("accept-invitation")

    without = APIClient().post(accept, sent, format="json")
    right = APIClient().post(accept, sent | {"code": code_of(factor)}, format="json")

    assert refusal(without) == (401, "second_factor_required")
    assert is_alive(right.json())


# Where everybody needs one


def test_everybody_can_be_made_to_set_one_up_before_anything_else(viewer, client, settings):
    settings.MEMBERS_NEED_SECOND_FACTOR = True

    asked = sign_in(client, viewer, following=JOBS)
    begin(client, JOBS)
    kept_out = client.get(JOBS)
    shown = enter(client, code_of(SecondFactor.objects.get()), JOBS)

    assert "Set up yours to go on." in asked.text
    assert kept_out["Location"] == f"{PAGE}?next={JOBS}"
    assert shown["Location"] == JOBS
    assert client.get(JOBS).status_code == 200


def test_who_joins_is_made_to_set_one_up(client, organization, owner, settings):
    settings.MEMBERS_NEED_SECOND_FACTOR = True
    invited = {"email": "new@example.com", "role": Role.MEMBER}
    _, token = invitations.invite_member(organization, by=owner.memberships.get(), page="", **invited)
    account = {"token": token, "password": PASSWORD, "name": "New"}

    by_api = APIClient().post(reverse("accept-invitation"), account, format="json")
    by_page = client.post(f"/invitations/{token}", account, follow=True)

    assert refusal(by_api) == (409, "no_second_factor")
    assert by_page.redirect_chain[-1] == (f"{PAGE}?next=/", 302)


def test_the_api_says_where_to_set_one_up(viewer, factor, owner, settings):
    settings.MEMBERS_NEED_SECOND_FACTOR = True

    answer = ask_for_token(owner)

    assert refusal(answer) == (409, "no_second_factor")
    assert f"http://testserver{PAGE}" in answer.json()["detail"]
    assert ask_for_token(viewer, code=code_of(factor)).status_code == 200


def test_who_is_signed_in_to_the_api_goes_on(viewer, settings):
    program = api_client(viewer)
    settings.MEMBERS_NEED_SECOND_FACTOR = True

    assert program.get("/api/auth/me").status_code == 200
