from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from finetuning import audit
from finetuning.ids import lowest_uuid7, uuid7
from finetuning.organizations.audit_views import ENTRIES_PER_PAGE

pytestmark = pytest.mark.django_db
PAGE = reverse("settings:audit")


@pytest.fixture
def pages(admin):
    client = Client()
    client.force_login(admin)
    return client


def shown(answer):
    return [entry.action for entry, _ in answer.context["entries"]]


def record_days_ago(days, organization):
    made = timezone.now() - timedelta(days=days)
    return organization.audit_entries.create(
        id=lowest_uuid7(made), action=f"{days} days ago", target_type="job", created_at=made
    )


def test_shows_who_did_what_before_and_after(pages, admin, organization):
    organization.audit_entries.create(
        action="job.changed",
        actor=admin,
        actor_name=admin.email,
        target_type="job",
        target_name="Support <1>",
        changes={"name": ["Old", "New"], "workspace_id": [None, "w-1"], "is_enabled": [True, False]},
        address="203.0.113.7",
        request_id="r-1",
    )

    text = pages.get(PAGE).content.decode()

    spoken = strip_tags(text)
    for told in ("job: changed", admin.email, "Support &lt;1&gt;", "203.0.113.7", "request r-1"):
        assert told in text
    assert "name: from Old to New" in spoken
    assert "workspace: w-1" in spoken
    assert "is enabled: from yes to no" in spoken


def test_finds_by_person_kind_and_day(pages, admin, organization, colleague):
    audit.record("organization.changed", organization, by=admin)
    audit.record("organization.deleted", organization, by=colleague)
    record_days_ago(3, organization)
    three_days_ago = f"{timezone.now() - timedelta(days=3):%Y-%m-%d}"

    assert shown(pages.get(PAGE, {"who": colleague.pk})) == ["organization.deleted"]
    assert shown(pages.get(PAGE, {"what": "job"})) == ["3 days ago"]
    assert shown(pages.get(PAGE, {"until": three_days_ago})) == ["3 days ago"]
    assert len(shown(pages.get(PAGE, {"since": f"{timezone.now():%Y-%m-%d}"}))) == 2


@pytest.mark.parametrize("query", [{"who": "me"}, {"what": "x"}, {"since": "1.1."}, {"before": "1"}])
def test_says_what_is_wrong_with_a_filter(pages, query):
    assert pages.get(PAGE, query).status_code == 422


def test_goes_on_where_the_page_ended_whatever_is_added_meanwhile(pages, organization):
    made = [record_days_ago(days, organization) for days in range(ENTRIES_PER_PAGE + 2)]
    first = pages.get(PAGE)
    audit.record("organization.changed", organization)

    second = pages.get(PAGE, {"before": first.context["next"]})

    assert shown(first) + shown(second) == [entry.action for entry in made]
    assert second.context["next"] is None


def test_asks_the_database_as_often_for_many_entries(pages, organization):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            pages.get(PAGE)
        return len(asked)

    record_days_ago(0, organization)
    few = queries()
    for days in range(1, 40):
        record_days_ago(days, organization)

    assert queries() == few


def test_puts_no_later_id_below_a_moment():
    before = timezone.now()

    made = uuid7()

    assert lowest_uuid7(before) <= made < lowest_uuid7(timezone.now() + timedelta(milliseconds=1))
