import pytest
from django.urls import reverse
from django.utils import timezone

from finetuning.models import AuditEntry
from tests.factories import (
    PASSWORD,
    DatasetFactory,
    FineTunedModelFactory,
    JobFactory,
    OrganizationFactory,
    UserFactory,
)

HOME = reverse("finetuning:dashboard")
LOGIN = reverse("login")


@pytest.fixture
def member(client, user):
    client.force_login(user)
    return client


def switch(member, organization):
    return member.post(reverse("finetuning:switch-organization", args=[organization.pk]), follow=True)


def test_leads_a_stranger_to_the_sign_in(client, db):
    assert client.get(HOME).url == f"{LOGIN}?next={HOME}"


def test_signs_in_by_e_mail_in_any_case(client, user):
    answer = client.post(LOGIN, {"username": "USER@example.com", "password": PASSWORD})

    assert answer.url == HOME
    assert client.get(HOME).status_code == 200


def test_refuses_a_wrong_password(client, user):
    answer = client.post(LOGIN, {"username": user.email, "password": "wrong"})

    assert "Please enter a correct e-mail and password" in answer.text
    assert client.get(HOME).status_code == 302


def test_signs_out(member, user):
    assert member.post(reverse("logout")).url == LOGIN
    assert member.get(HOME).status_code == 302
    assert AuditEntry.objects.get(action="user.signed_out").actor == user


def test_counts_what_the_organization_has(member, organization):
    DatasetFactory.create_batch(2, organization=organization)
    DatasetFactory(organization=organization, status="invalid")
    JobFactory(organization=organization, status="running")
    FineTunedModelFactory(organization=organization, deployed=True, deployed_at=timezone.now())
    DatasetFactory(name="Secret")

    text = member.get(HOME).text

    assert "4 validated, 1 with errors" in text
    assert "1 active, 1 succeeded, 0 failed" in text
    assert "1 deployed, 0 requests" in text
    assert "Secret" not in text


def test_tells_what_happened_newest_first(member, organization, user):
    dataset = DatasetFactory(organization=organization, name="Questions", created_by=user)
    job = JobFactory(organization=organization, dataset=dataset, name="First run", created_by=user)
    model = FineTunedModelFactory(organization=organization, job=job, name="Helper")

    text = member.get(HOME).text

    assert "user@example.com added the dataset" in text
    assert text.index(">Helper<") < text.index(">First run<") < text.index(">Questions<")
    assert reverse("models_registry:detail", args=[model.pk]) in text


@pytest.mark.parametrize(
    ("status", "column", "words"),
    [
        ("succeeded", "completed_at", "The job ended:"),
        ("failed", "completed_at", "The job ended:"),
        ("cancelled", "cancelled_at", "The job was stopped:"),
    ],
)
def test_tells_how_a_job_ended(member, organization, status, column, words):
    JobFactory(organization=organization, status=status, **{column: timezone.now()})

    text = member.get(HOME).text

    assert words in text
    assert status.capitalize() in text


def test_shows_ten_activities_with_few_queries(member, organization, user, django_assert_max_num_queries):
    DatasetFactory.create_batch(11, organization=organization, created_by=user)

    with django_assert_max_num_queries(14):
        text = member.get(HOME).text

    assert text.count("added the dataset") == 10


def test_says_how_to_begin(member):
    assert "Nothing has happened yet" in member.get(HOME).text


def test_changes_to_another_organization_of_the_user(member, user):
    other = OrganizationFactory(name="Side project")
    user.memberships.create(organization=other, role="viewer")

    answer = switch(member, other)

    assert "You are now working in Side project." in answer.text
    assert answer.context["request"].organization == other
    assert "Side project" in member.get(reverse("finetuning:organizations")).text


def test_knows_no_organization_of_others(member, organization, other_organization):
    assert switch(member, other_organization).status_code == 404
    assert member.get(HOME).context["request"].organization == organization


def test_tells_somebody_without_an_organization_whom_to_ask(client, db):
    client.force_login(UserFactory())

    assert client.get(HOME).status_code == 403
