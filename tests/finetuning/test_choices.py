import pytest
from django import forms

from finetuning import choices
from finetuning.choices import offer_newest
from jobs.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


class Single(forms.Form):
    job = forms.ModelChoiceField(Job.objects.none(), required=False, empty_label="No job")

    def __init__(self, *args, rows, **kwargs):
        super().__init__(*args, **kwargs)
        offer_newest(self, "job", rows)


class Several(Single):
    job = forms.ModelMultipleChoiceField(Job.objects.none())


@pytest.fixture
def jobs(organization, monkeypatch):
    monkeypatch.setattr(choices, "LISTED", 2)
    return [JobFactory(organization=organization, name=f"Job {number}") for number in range(4)]


def listed(form):
    return [label for _, label in form.fields["job"].choices]


def test_lists_the_newest(jobs, organization):
    assert listed(Single(rows=organization.jobs.all())) == ["No job", "Job 3", "Job 2"]


def test_lists_what_is_chosen_already_and_takes_it(jobs, organization):
    kept = Single(rows=organization.jobs.all(), initial={"job": jobs[0].pk})
    sent = Several({"job": [str(jobs[1].pk), "no id"]}, rows=organization.jobs.all())
    good = Several({"job": [str(jobs[0].pk)]}, rows=organization.jobs.all())

    assert listed(kept) == ["No job", "Job 3", "Job 2", "Job 0"]
    assert listed(sent) == ["Job 3", "Job 2", "Job 1"]
    assert "selected>Job 1" in str(sent["job"])
    assert not sent.is_valid()
    assert list(good.cleaned_data["job"] if good.is_valid() else []) == [jobs[0]]


def test_takes_nothing_of_another_organization(organization):
    foreign = JobFactory()

    form = Single({"job": str(foreign.pk)}, rows=organization.jobs.all())

    assert not form.is_valid()
    assert listed(form) == ["No job"]
