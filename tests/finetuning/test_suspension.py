"""What an organization that operators have suspended may still do: nothing, and nothing of it is lost."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from finetuning.models import AuditEntry
from finetuning.organizations import services
from jobs.models import Job
from jobs.services import advance_job
from models_registry.gateway.errors import GatewayError
from models_registry.gateway.routes import Reader
from tests.factories import DatasetFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def suspended(organization):
    organization.suspension_reason = "An invoice is open."
    organization.save()
    services.suspend_organization(organization)
    return organization


@pytest.mark.parametrize(
    ("method", "route"), [("get", "job-list"), ("post", "workspace-list"), ("get", "me")]
)
def test_refuses_its_people_in_the_api(owner_api, suspended, method, route):
    answer = getattr(owner_api, method)(reverse(route), {"name": "x"} if method == "post" else {})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "organization_suspended")
    assert "An invoice is open." in problem["detail"]


def test_refuses_its_people_on_pages_and_lets_them_go_elsewhere(user, suspended, other_organization):
    user.memberships.create(organization=other_organization)
    client = Client()
    client.force_login(user)

    refused = client.get(reverse("jobs:list"))
    client.post(reverse("finetuning:switch-organization", args=[other_organization.pk]))

    assert refused.status_code == 403
    assert "An invoice is open." in refused.text
    assert client.get(reverse("jobs:list")).status_code == 200


def test_lets_people_take_tokens_for_another_organization(user, api, suspended, other_organization):
    user.memberships.create(organization=other_organization)

    answer = api.post(reverse("switch-organization"), {"organizationId": str(other_organization.pk)})

    assert answer.status_code == 200


def test_refuses_its_keys(organization):
    _, clear = organization.api_keys.issue(name="Help desk")
    assert Reader().read_caller(clear).key.organization == organization
    services.suspend_organization(organization)

    with pytest.raises(GatewayError) as refusal:
        Reader().read_caller(clear)

    assert (refusal.value.http_status, refusal.value.code) == (403, "organization_suspended")


def test_sends_no_job_to_a_provider_until_it_is_resumed(organization, sandbox, provider_account):
    job = JobFactory(organization=organization, provider_account=provider_account)
    services.suspend_organization(organization)

    advance_job(Job.objects.get(pk=job.pk))

    assert sandbox.ledger()["jobs"] == []
    assert Job.objects.get(pk=job.pk).status == "pending"
    assert not Job.objects.due(timezone.now()).filter(pk=job.pk).exists()

    services.resume_organization(organization)

    assert Job.objects.due(timezone.now()).filter(pk=job.pk).exists()


def test_follows_a_run_that_goes_on(organization, sandbox, provider_account):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    dataset = DatasetFactory(organization=organization, examples=12)
    job = JobFactory(organization=organization, provider_account=provider_account, dataset=dataset)
    while not sandbox.ledger()["jobs"]:
        advance_job(job)
        job.refresh_from_db()
    services.suspend_organization(organization)

    sandbox.clock.advance(3600)
    advance_job(Job.objects.get(pk=job.pk))

    assert Job.objects.get(pk=job.pk).status == "succeeded"


def test_records_both_in_the_audit(organization):
    services.suspend_organization(organization)
    services.suspend_organization(organization)
    services.resume_organization(organization)

    found = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(found) == ["organization.suspended", "organization.resumed"]
