"""No foreign id gets in through a body, a query or a form; it is answered like one that does not exist."""

from dataclasses import replace

import pytest
from django import forms

from tests.isolation.cast import ask, named_by, outcome, without_ids
from tests.isolation.inputs import NOBODY, inputs, references
from tests.isolation.policy import OPERATIONS, Id

pytestmark = pytest.mark.django_db

# Which kind of row an input names. Each kind is one in `rows.py`.
KINDS = {
    "againstId": "version",
    "agentIds": "agent",
    "datasetId": "dataset",
    "datasetIds": "dataset",
    "fallbackModelId": "model",
    "modelId": "model",
    "organizationId": "organization",
    "retriedFromId": "finished_job",
    "secondModelId": "model",
    "workspaceId": "workspace",
    "workspaceIds": "workspace",
}
# What is called an id but is a text of the caller's, with its meaning in one organization.
TEXTS = {"agentId", "externalId"}
BY_ID = [reference for reference in references() if reference[2] not in TEXTS]
BY_TEXT = [reference for reference in references() if reference[2] in TEXTS]

# Where a form lets a row be chosen: the operation that shows it, by the form and its field.
CHOICES = {
    ("jobs.forms", "DatasetForm", "dataset"): ("POST jobs:new", "dataset"),
    ("jobs.forms", "DatasetForm", "like"): ("POST jobs:new", "job"),
    ("datasets.version_forms", "MergeForm", "others"): ("POST datasets:derive", "dataset"),
    ("models_registry.forms", "SplitForm", "second_model"): ("POST agents:split", "model"),
    ("models_registry.forms", "AgentSettingsForm", "fallback_model"): ("POST agents:settings", "model"),
    ("models_registry.forms", "ApiKeyForm", "agents"): ("POST keys:list", "agent"),
    ("models_registry.forms", "ApiKeyForm", "workspaces"): ("POST keys:list", "workspace"),
}


def referring(operation, place, field, value):
    """The operation, with `value` as this input."""
    return replace(operation, **{place: {**getattr(operation, place), field: value}})


def as_rival(world, operation):
    rows = world.rivals_rows
    return ask(world.principals["foreign owner"], operation, named=named_by(operation, rows), rows=rows)


def test_describes_every_operation_of_the_api():
    described = {
        f"{operation.method} {operation.route}" for operation in OPERATIONS.values() if operation.is_api
    }
    undescribed = {name for name in described - inputs().keys() if "unknown-path" not in name}

    assert undescribed == {"GET api-schema", "GET api-docs", "GET api-redoc"}


def test_knows_what_every_id_is_of():
    unknown = {field for _, _, field in references()} - KINDS.keys() - TEXTS

    assert unknown == set(), (
        "Say in KINDS, or in TEXTS, of tests/isolation/test_references.py what they name."
    )


@pytest.mark.parametrize(("name", "place", "field"), BY_ID)
def test_takes_no_foreign_id(world, name, place, field):
    kind, many = KINDS[field], field.endswith("Ids")
    foreign = str(world.acme_rows[kind].pk)
    foreign_answer, missing_answer = (
        as_rival(world, referring(OPERATIONS[name], place, field, [pk] if many else pk))
        for pk in (foreign, NOBODY)
    )

    assert foreign_answer.status_code in (400, 404)
    refused = foreign_answer.json()["errors"][0]
    assert f"/{field}" in refused["pointer"] if place == "send" else field == refused["parameter"]
    assert without_ids(foreign_answer, [foreign]) == without_ids(missing_answer, [NOBODY])
    assert world.leaks(foreign_answer, referring(OPERATIONS[name], place, field, foreign)) == []
    assert world.changed_tables(world.acme) == world.changed_tables(world.rivals) == []


@pytest.mark.parametrize(("name", "place", "field"), BY_ID)
def test_takes_an_own_id(world, name, place, field):
    own = Id(KINDS[field])

    answer = as_rival(
        world, referring(OPERATIONS[name], place, field, [own] if field.endswith("Ids") else own)
    )

    assert outcome(answer) == OPERATIONS[name].allowed


@pytest.mark.parametrize(("name", "place", "field"), BY_TEXT)
def test_reads_a_foreign_text_like_a_new_one(world, name, place, field):
    taken = (
        world.acme_rows["agent"].name if field == "agentId" else world.acme.conversations.get().external_id
    )
    foreign, new = referring(OPERATIONS[name], place, field, taken), f"{taken}-of-nobody"

    foreign_answer, new_answer = (
        as_rival(world, operation) for operation in (foreign, referring(foreign, place, field, new))
    )

    assert outcome(foreign_answer) == outcome(new_answer)
    assert [pk for pk in world.acme_ids if pk in foreign_answer.content.decode()] == []
    assert world.changed_tables(world.acme) == []


def choices():
    """Every field of a form of ours in which a row is chosen."""
    ours = ("config", "datasets", "finetuning", "jobs", "models_registry")
    found, classes = set(), [forms.BaseForm]
    while classes:
        form = classes.pop()
        classes += form.__subclasses__()
        if form.__module__.split(".")[0] in ours and "admin" not in form.__module__.split("."):
            fields = getattr(form, "base_fields", {}).items()
            found |= {
                (form.__module__, form.__name__, name)
                for name, field in fields
                if isinstance(field, forms.ModelChoiceField)
            }
    return found


def test_knows_where_every_choice_of_a_form_is_made(world):
    as_rival(world, OPERATIONS["GET finetuning:dashboard"])

    assert choices() == CHOICES.keys(), (
        "Say in CHOICES of tests/isolation/test_references.py which page asks."
    )


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_takes_no_foreign_choice(world, choice):
    (name, kind), field = CHOICES[choice], choice[2]
    is_many = isinstance(OPERATIONS[name].send.get(field), list)
    foreign = str(world.acme_rows[kind].pk)

    foreign_answer, missing_answer = (
        as_rival(world, referring(OPERATIONS[name], "send", field, [pk] if is_many else pk))
        for pk in (foreign, NOBODY)
    )

    assert foreign_answer.status_code in (200, 422)
    assert without_ids(foreign_answer, [foreign]) == without_ids(missing_answer, [NOBODY])
    assert world.changed_tables(world.acme) == world.changed_tables(world.rivals) == []


def test_lists_by_workspace_what_is_in_it(world):
    acme = world.acme_rows
    moved = acme["finished_job"]
    moved.workspace = acme["other_workspace"]
    moved.save(update_fields=["workspace"])

    listed = {
        kind: ask(
            world.principals["other workspace"],
            OPERATIONS["GET job-list"],
            named=[],
            rows=acme,
            query={"workspaceId": Id(kind)},
        ).json()["data"]
        for kind in ("workspace", "other_workspace")
    }

    assert [job["id"] for job in listed["other_workspace"]] == [str(moved.pk)]
    assert str(acme["job"].pk) in [job["id"] for job in listed["workspace"]]
    assert {job["workspaceId"] for job in listed["workspace"]} == {str(acme["workspace"].pk)}
