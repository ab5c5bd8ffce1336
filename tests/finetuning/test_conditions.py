from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from finetuning.models import Role
from finetuning.webhooks import services as webhooks
from tests.conftest import api_client
from tests.factories import DatasetFactory, FineTunedModelFactory

DATASETS = "/api/fine-tuning/datasets"

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(organization):
    return f"{DATASETS}/{DatasetFactory(organization=organization, name='Old').pk}"


@pytest.fixture
def paths(organization, user):
    """One row of each kind that can be changed."""
    organization.memberships.update(role=Role.ADMIN)
    model = FineTunedModelFactory(organization=organization)
    endpoint = webhooks.add_endpoint(
        organization, by=user, url="https://x.example/", event_types=["job.failed"]
    )
    return [
        f"{DATASETS}/{model.job.dataset_id}",
        f"/api/fine-tuning/jobs/{model.job_id}",
        f"/api/fine-tuning/models/{model.pk}",
        f"/api/agents/{organization.agents.create(name='desk').pk}",
        f"/api/webhooks/endpoints/{endpoint.pk}",
    ]


def test_names_the_state_of_a_row(api, path):
    first, second = api.get(path), api.get(path)
    api.patch(path, {"description": "Better"})

    assert first["ETag"] == second["ETag"]
    assert first["ETag"].startswith('"')
    assert api.get(path)["ETag"] != first["ETag"]


@pytest.mark.parametrize("known", ["{}", '"x", {}', "W/{}", "*"])
def test_sends_nothing_that_is_known(api, path, known):
    etag = api.get(path)["ETag"]

    answer = api.get(path, HTTP_IF_NONE_MATCH=known.format(etag))

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_sends_what_is_not_known(api, path):
    assert api.get(path, HTTP_IF_NONE_MATCH='"x"').status_code == 200


def test_names_the_new_state_in_the_answer_to_every_change(user, paths):
    api = api_client(user)

    changed = [api.patch(path, {"description": "New"}) for path in paths]

    assert {answer.status_code for answer in changed} == {200}
    assert [answer["ETag"] for answer in changed] == [api.get(path)["ETag"] for path in paths]


def test_changes_only_what_was_read(user, paths):
    api = api_client(user)
    for path in paths:
        etag = api.get(path)["ETag"]

        first = api.patch(path, {"description": "First"}, HTTP_IF_MATCH=etag)
        second = api.patch(path, {"description": "Second"}, HTTP_IF_MATCH=etag)

        assert (first.status_code, second.status_code) == (200, 412)
        assert second.json()["code"] == "precondition_failed"
        assert api.get(path).json()["description"] == "First"


@pytest.mark.parametrize(("wanted", "status"), [("*", 200), ('"x"', 412), ("x", 412), ("", 412)])
def test_reads_if_match_strictly(api, path, wanted, status):
    assert api.put(path, {"name": "New"}, HTTP_IF_MATCH=wanted).status_code == status


def test_deletes_only_what_was_read(owner_api, path):
    etag = owner_api.get(path)["ETag"]
    owner_api.patch(path, {"description": "Better"})

    refused = owner_api.delete(path, HTTP_IF_MATCH=etag)

    assert (refused.status_code, owner_api.get(path).status_code) == (412, 200)
    assert owner_api.delete(path, HTTP_IF_MATCH=owner_api.get(path)["ETag"]).status_code == 204


def test_tells_an_outsider_nothing_by_a_condition(outsider_api, path):
    assert outsider_api.patch(path, {"name": "x"}, HTTP_IF_MATCH="*").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_lets_one_of_many_changes_to_the_same_state_win(user, path):
    etag = api_client(user).get(path)["ETag"]

    def change(number):
        try:
            return api_client(user).patch(path, {"name": f"N{number}"}, HTTP_IF_MATCH=etag).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(8)))

    assert sorted(statuses) == [200] + [412] * 7
