"""Who was refused what stands in the log, so that whoever tries doors is seen."""

import pytest
from django.test import Client

from finetuning.log_context import ContextFilter
from finetuning.members import invitations
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def records(caplog):
    """What was logged of refusals, as handlers get it."""
    with caplog.filtering(ContextFilter()):
        yield lambda: [record for record in caplog.records if record.name == "finetuning.refusals"]


@pytest.fixture
def told(records):
    return lambda: [(record.levelname, record.getMessage()) for record in records()]


def test_tells_of_a_foreign_row(api, told, outsider, other_organization):
    job = JobFactory(organization=other_organization)

    api.get(f"/api/fine-tuning/jobs/{job.pk}")

    assert told() == [("WARNING", f"refused GET /api/fine-tuning/jobs/{job.pk}: 404")]


def test_tells_of_what_a_role_may_not(viewer_api, told):
    viewer_api.post("/api/workspaces", {"name": "East"})

    assert told() == [("WARNING", "refused POST /api/workspaces: 403")]


def test_tells_of_a_token_that_is_none_and_keeps_it_to_itself(told, caplog):
    Client(headers={"Authorization": "Bearer kept-nowhere"}).get("/api/auth/me")

    assert told() == [("WARNING", "refused GET /api/auth/me: 401")]
    assert "kept-nowhere" not in caplog.text


def test_tells_of_guesses_that_were_too_many(told, settings):
    settings.SIGN_INS_PER_ACCOUNT = 1
    for _ in range(2):
        Client().post(
            "/api/auth/token", {"email": "a@b.example", "password": "kept-nowhere"}, "application/json"
        )

    assert told()[-1] == ("WARNING", "refused POST /api/auth/token: 429")


def test_says_who_it_was_and_from_where(records, viewer, viewer_api):
    viewer_api.post("/api/workspaces", {"name": "East"}, REMOTE_ADDR="192.0.2.7", HTTP_X_REQUEST_ID="mine-1")

    [record] = records()
    assert (record.user_id, record.address) == (str(viewer.pk), "192.0.2.7")
    assert (record.request_id, record.organization_id) == ("mine-1", str(viewer.organizations.get().pk))


def test_keeps_the_token_of_an_invitation_to_itself(admin, organization, told, caplog):
    _, token = invitations.invite_member(
        organization, by=admin.memberships.get(), email="ada@example.com", role="member", page=""
    )

    Client(enforce_csrf_checks=True).post(f"/invitations/{token}")
    Client().post(f"/invitations/{token}", {"password": "short"})

    assert told() == [("WARNING", "refused POST /invitations/...: 403")]
    assert "CSRF cookie not set.): /invitations/..." in caplog.text
    assert token not in caplog.text


def test_stays_one_line_whatever_the_path(told, client):
    client.get("/jobs/a%0Ab%1B[31m")
    client.get("/invitations/a%0Ab%1B[31m")

    assert all(message.isprintable() for _, message in told())


def test_tells_nothing_of_what_is_allowed_or_of_no_row(api, told):
    api.get("/api/auth/me")
    api.get("/nowhere")

    assert told() == []
