import re

import pytest
from django.test import Client

from tests.factories import DatasetFactory, JobFactory
from tests.isolation.policy import API
from tests.isolation.routes import routes

pytestmark = pytest.mark.django_db

FT = "/api/fine-tuning"


def page(user, path):
    client = Client()
    client.force_login(user)
    return client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})


def forms(answer):
    return re.findall(r'action="([^"]*)"[^>]*data-api-method="([A-Z]+)"', answer.content.decode())


@pytest.fixture
def job(organization, provider_account):
    dataset = DatasetFactory(organization=organization, name="Talks", examples=1)
    return JobFactory(organization=organization, provider_account=provider_account, dataset=dataset)


def test_offers_a_form_for_everything_that_a_member_may_do_from_there(user, job):
    address = f"{FT}/jobs/{job.pk}"

    assert forms(page(user, f"{FT}/jobs")) == [(f"{FT}/jobs", "POST"), (f"{FT}/jobs/estimate-cost", "POST")]
    assert forms(page(user, address)) == [
        (address, "PUT"),
        (address, "PATCH"),
        (f"{address}/cancel", "POST"),
        (f"{address}/sync", "POST"),
    ]


def test_offers_what_the_role_allows(viewer, user, owner, job):
    address = f"{FT}/datasets/{job.dataset_id}"

    offered = {person: forms(page(person, address)) for person in (viewer, user, owner)}

    assert offered[viewer] == []
    assert (address, "DELETE") not in offered[user]
    assert (address, "DELETE") in offered[owner]


def test_starts_with_what_the_row_has_now(user, job):
    answer = page(user, f"{FT}/datasets/{job.dataset_id}")

    assert "&quot;name&quot;: &quot;Talks&quot;" in answer.content.decode()


def test_leads_from_list_to_row_and_to_the_next_page(user, job, organization):
    newest = DatasetFactory(organization=organization, name="Newest")

    text = page(user, f"{FT}/datasets?limit=1").content.decode()

    assert f'{FT}/datasets/{newest.pk}">Newest</a>' in text
    [following] = re.findall(r'<a href="(\?[^"]*)" rel="next"', text)
    assert "Talks</a>" in page(user, f"{FT}/datasets{following.replace('&amp;', '&')}").content.decode()


def test_says_what_is_wrong(user):
    answer = page(user, f"{FT}/datasets?limit=0")

    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "<code>limit</code> Give a number from 1 to 100." in answer.content.decode()


def test_says_it_where_no_field_is_wrong(user, job):
    answer = page(user, f"{FT}/jobs/{job.pk}/cancel")

    assert answer.status_code == 405
    assert "<li>Method &quot;GET&quot; not allowed.</li>" in answer.content.decode()
    assert forms(answer)[0] == (f"{FT}/jobs/{job.pk}/cancel", "POST")


def test_shows_text_as_text(user, organization):
    DatasetFactory(organization=organization, name="<script>alert(1)</script>")

    assert b"<script>alert" not in page(user, f"{FT}/datasets").content


@pytest.mark.parametrize("path", [f"{FT}/jobs", f"{FT}/jobs/00000000-0000-0000-0000-000000000000"])
def test_lets_a_stranger_sign_in(client, path):
    answer = client.get(path, headers={"Accept": "text/html"})

    assert answer.status_code == 401
    assert f'href="/login?next={path}"' in answer.content.decode()
    assert forms(answer) == []


@pytest.mark.parametrize(
    "route",
    sorted(
        {operation.route for operation in API if not operation.kinds}
        - {"api-docs", "api-redoc", "api-schema"}
    ),
)
def test_has_neither_script_nor_style_in_any_page(owner, route):
    text = page(owner, f"/{routes()[route]}").content.decode()

    assert re.findall(r"<script(?![^>]* src=\"/)|<style| style=| on\w+=|(?:src|href)=\"http", text) == []
