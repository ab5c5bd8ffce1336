"""A viewer reads, a member works, an admin manages, an owner deletes: through the API and on the pages."""

import pytest
from django.urls import reverse

from tests.conftest import api_client
from tests.factories import DatasetFactory, FineTunedModelFactory

pytestmark = pytest.mark.django_db
CAST = ["viewer", "user", "admin", "owner"]


@pytest.fixture(params=CAST)
def actor(request):
    return request.getfixturevalue(request.param)


def role_of(user):
    return user.memberships.get().role


def test_only_an_owner_deletes_through_the_api(actor, organization):
    model = FineTunedModelFactory(organization=organization)
    dataset = DatasetFactory(organization=organization)
    api = api_client(actor)

    answers = [
        api.delete(reverse("model-detail", args=[model.pk])),
        api.delete(reverse("dataset-detail", args=[dataset.pk])),
    ]

    expected = 204 if role_of(actor) == "owner" else 403
    assert [answer.status_code for answer in answers] == [expected, expected]


def test_only_an_owner_deletes_on_the_pages(actor, organization, client):
    model = FineTunedModelFactory(organization=organization)
    dataset = DatasetFactory(organization=organization)
    client.force_login(actor)

    client.post(reverse("models_registry:delete", args=[model.pk]))
    client.post(reverse("datasets:delete", args=[dataset.pk]))

    deleted = not organization.datasets.filter(pk=dataset.pk).exists()
    assert deleted == (not organization.fine_tuned_models.exists()) == (role_of(actor) == "owner")


def test_shows_the_button_that_deletes_to_owners_only(actor, organization, client):
    model = FineTunedModelFactory(organization=organization)
    client.force_login(actor)

    pages = [
        client.get(reverse("models_registry:detail", args=[model.pk])).text,
        client.get(reverse("datasets:detail", args=[model.job.dataset_id])).text,
    ]

    for page in pages:
        assert ('data-confirm="Delete' in page) == (role_of(actor) == "owner")
        assert ("Deleting takes the role owner" in page) == (role_of(actor) in ("member", "admin"))


def test_says_which_role_is_missing(api, organization):
    dataset = DatasetFactory(organization=organization)

    problem = api.delete(reverse("dataset-detail", args=[dataset.pk])).json()

    assert (problem["status"], problem["code"]) == (403, "role_too_low")
    assert "takes the role owner" in problem["detail"]
