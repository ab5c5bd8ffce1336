import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from finetuning import search
from finetuning.search import COMMANDS, find_commands, find_rows
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory

pytestmark = pytest.mark.django_db

SEARCH = reverse("finetuning:search")


def found(organization, text, limit=8):
    return [(hit.kind.label, hit.name) for hit in find_rows(organization, text, limit=limit)]


@pytest.fixture
def rows(organization):
    dataset = DatasetFactory(organization=organization, name="Support answers")
    job = JobFactory(
        organization=organization, dataset=dataset, name="Support tone", provider_job_id="ftjob-7"
    )
    FineTunedModelFactory(
        organization=organization, job=job, name="Support model", provider_model_id="ft:gpt:acme:7"
    )
    organization.agents.create(name="support-bot")
    organization.conversations.record(messages=[], external_id="chat-support-1")
    return {"dataset": dataset, "job": job}


def test_finds_every_kind_by_a_part_of_the_name(organization, rows):
    with CaptureQueriesContext(connection) as sent:
        hits = found(organization, "sUpPoRt")

    assert hits == [
        ("Dataset", "Support answers"),
        ("Job", "Support tone"),
        ("Model", "Support model"),
        ("Agent", "support-bot"),
        ("Conversation", "chat-support-1"),
    ]
    assert len(sent) == 2


def test_finds_by_the_id_its_end_and_the_provider_s_id(organization, rows):
    job = rows["job"]

    for text in (str(job.pk), str(job.pk).upper(), job.pk.hex, f" {str(job.pk)[-8:]} ", "ftjob-7"):
        assert found(organization, text) == [("Job", "Support tone")]
    assert found(organization, "ft:gpt:acme") == [("Model", "Support model")]


def test_finds_nothing_of_another_organization(rows, other_organization):
    assert found(other_organization, "support") == []
    assert found(other_organization, str(rows["job"].pk)) == []


def test_finds_no_deleted_rows(organization, rows):
    organization.datasets.update(deleted_at="2026-01-01T00:00Z")

    assert found(organization, "answers") == []
    assert found(organization, str(rows["dataset"].pk)) == []


@pytest.mark.parametrize("text", ["", "  ", "\0", "100%", "_", "\\", "'", "nothing", "9" * 200])
def test_takes_signs_for_what_they_are(organization, rows, text):
    assert found(organization, text) == []


def test_looks_for_names_among_the_newest_and_for_ids_among_all(organization, monkeypatch):
    monkeypatch.setattr(search, "SEARCHED", 2)
    old, *_ = (JobFactory(organization=organization, name=f"Tone {number}") for number in range(3))

    assert found(organization, "tone") == [("Job", "Tone 2"), ("Job", "Tone 1")]
    assert found(organization, str(old.pk)) == [("Job", "Tone 0")]


def test_shows_only_so_many_of_a_kind(organization):
    JobFactory.create_batch(3, organization=organization, name="Tone")

    assert len(found(organization, "tone", limit=2)) == 2


def test_offers_pages_by_words_and_to_viewers_none_that_changes_things():
    assert [command.label for command in find_commands("job start", may_change=True)] == ["Start a job"]
    assert find_commands("start", may_change=False) == []
    assert find_commands("", may_change=True) == list(COMMANDS)


def test_every_command_leads_to_a_page(signed_in):
    for command in COMMANDS:
        assert signed_in.get(reverse(command.page)).status_code == 200


def test_is_a_page_of_links_and_for_the_script_a_list_of_options(signed_in, rows):
    link = reverse("jobs:detail", args=[rows["job"].pk])

    page = signed_in.get(SEARCH, {"q": "tone"})
    options = signed_in.get(SEARCH, {"q": "tone"}, headers={"HX-Request": "true"})

    assert f'<a href="{link}">Support tone</a>' in page.text
    assert f'data-href="{link}"' in options.text
    assert "<html" not in options.text
