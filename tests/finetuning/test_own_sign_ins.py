"""Everybody sees their own sign-ins to the API, and ends them."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from finetuning.api.tokens import issue_tokens
from finetuning.models import AuditEntry, TokenFamily
from tests.finetuning.test_tokens_admin import is_alive

pytestmark = pytest.mark.django_db
PROFILE, END = "/settings/profile", "/settings/profile/sign-ins"


@pytest.fixture
def pair(viewer):
    return issue_tokens(viewer.memberships.get())


@pytest.fixture
def signed_in(client, viewer):
    client.force_login(viewer)
    return client


def test_lists_those_of_every_organization_and_nobody_elses(
    signed_in, viewer, pair, outsider, other_organization
):
    own = viewer.memberships.create(organization=other_organization)
    issue_tokens(own)
    issue_tokens(outsider.memberships.get())

    shown = signed_in.get(PROFILE).context["sign_ins"]

    assert [one.membership for one in shown] == [own, viewer.memberships.exclude(pk=own.pk).get()]


def test_ends_the_chosen_one(signed_in, viewer, pair):
    other = issue_tokens(viewer.memberships.get())
    chosen = TokenFamily.objects.order_by("created_at").first()

    answer = signed_in.post(END, {"sign_in": chosen.pk}, follow=True)

    assert "The sign-in has ended." in answer.text
    assert not is_alive(pair)
    assert is_alive(other)
    entry = AuditEntry.objects.get(action="tokens.revoked")
    assert (entry.actor, entry.changes) == (viewer, {"sign_in": [None, str(chosen.pk)]})


def test_ends_nobody_elses(signed_in, outsider):
    foreign = issue_tokens(outsider.memberships.get())

    answer = signed_in.post(END, {"sign_in": TokenFamily.objects.get().pk}, follow=True)

    assert "has ended already" in answer.text
    assert is_alive(foreign)


@pytest.mark.parametrize("sent", ["", "x"])
def test_survives_what_is_no_id(signed_in, sent):
    assert signed_in.post(END, {"sign_in": sent}).status_code == 302


@pytest.mark.parametrize("end", ["password", "time"])
def test_lists_none_that_has_ended(signed_in, viewer, pair, end):
    if end == "password":
        new = "another horse, another battery"
        sent = {"old_password": "correct horse battery staple", "new_password1": new, "new_password2": new}
        signed_in.post("/settings/profile/password", sent)
        later = timezone.now()
    else:
        later = timezone.now() + timedelta(days=8)

    with time_machine.travel(later):
        assert signed_in.get(PROFILE).context["sign_in_count"] == 0


def test_shows_the_last_twenty_of_many(signed_in, viewer):
    for _ in range(21):
        issue_tokens(viewer.memberships.get())

    answer = signed_in.get(PROFILE)

    assert len(answer.context["sign_ins"]) == 20
    assert "The last 20 of 21." in answer.text
