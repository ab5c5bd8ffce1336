"""The database itself refuses a row that refers to another organization's row."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from datasets.models import Conversation, Dataset, TrainingExample
from finetuning.models import Workspace
from models_registry.models import Agent, AgentSwitch, ApiKey, FineTunedModel
from tests.factories import (
    DatasetFactory,
    FineTunedModelFactory,
    JobFactory,
    ProviderAccountFactory,
)

pytestmark = pytest.mark.django_db

# (table, column, target) of every foreign key of one column; `owned` are the tables with an organization.
FOREIGN_KEYS = """
    WITH owned AS (
        SELECT attrelid AS id FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'organization_id' AND relkind = 'r' AND relnamespace = 'public'::regnamespace
    )
    SELECT conrelid::regclass::text, attname, confrelid::regclass::text, conrelid IN (SELECT id FROM owned)
    FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE contype = 'f' AND cardinality(conkey) = 1 AND confrelid IN (SELECT id FROM owned)
"""
COMPOSITE_KEYS = """
    SELECT conrelid::regclass::text, other.attname, confrelid::regclass::text
    FROM pg_constraint
    JOIN pg_attribute first ON first.attrelid = conrelid AND first.attnum = conkey[1]
    JOIN pg_attribute other ON other.attrelid = conrelid AND other.attnum = conkey[2]
    WHERE contype = 'f' AND cardinality(conkey) = 2 AND first.attname = 'organization_id' AND condeferred
"""
TRIGGERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"


def rows(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return set(cursor.fetchall())


def test_has_a_composite_key_for_every_reference_between_rows_of_organizations():
    references = {
        (table, column, target) for table, column, target, is_owned in rows(FOREIGN_KEYS) if is_owned
    }

    assert len(references) >= 14
    assert references == rows(COMPOSITE_KEYS)


def test_checks_every_row_without_an_organization_that_refers_to_two_owned_rows():
    references = [(table, column) for table, column, _, is_owned in rows(FOREIGN_KEYS) if not is_owned]
    triggers = rows(TRIGGERS)

    for table in {table for table, _ in references}:
        columns = [column for of_table, column in references if of_table == table]
        checked = [column for column in columns if (table, f"{table}_{column}_same_organization") in triggers]
        # One column says whose the row is, each of the others is compared with it.
        assert len(checked) == len(columns) - 1, (table, columns)


def test_keeps_every_row_that_is_referred_to_in_its_organization():
    targets = {target for _, _, target, _ in rows(FOREIGN_KEYS)}

    assert targets <= {table for table, name in rows(TRIGGERS) if name == f"{table}_organization_is_fixed"}


def ours_and_theirs(organization, other_organization):
    """For each column: a row of `organization`, and a row of `other_organization` that it must not name."""
    job, foreign_job = JobFactory(organization=organization), JobFactory(organization=other_organization)
    model = FineTunedModelFactory(organization=organization)
    foreign_model = FineTunedModelFactory(organization=other_organization)
    workspace = Workspace.objects.create(organization=other_organization, name="Theirs")
    agent = Agent.objects.create(organization=organization, name="bot", model=model)
    foreign_agent = Agent.objects.create(organization=other_organization, name="bot")
    key, _ = organization.api_keys.issue(name="Ours")
    conversation = Conversation.objects.create(organization=organization, messages=[])
    foreign_conversation = Conversation.objects.create(organization=other_organization, messages=[])
    switch = AgentSwitch.objects.create(
        agent=agent, model=model, action="deployed", created_at=timezone.now()
    )
    owned_example = DatasetFactory(organization=organization, examples=1).examples.get()
    key.agents.add(agent)
    key.workspaces.add(Workspace.objects.create(organization=organization, name="Ours"))
    return {
        ("fine_tuning_datasets", "workspace_id"): (job.dataset, workspace),
        ("fine_tuning_datasets", "parent_id"): (job.dataset, foreign_job.dataset),
        ("conversations", "workspace_id"): (conversation, workspace),
        ("training_examples", "conversation_id"): (owned_example, foreign_conversation),
        ("fine_tuning_jobs", "workspace_id"): (job, workspace),
        ("fine_tuning_jobs", "dataset_id"): (job, foreign_job.dataset),
        ("fine_tuning_jobs", "provider_account_id"): (job, foreign_job.provider_account),
        ("fine_tuning_jobs", "retried_from_id"): (job, foreign_job),
        ("fine_tuning_jobs", "parent_model_id"): (job, foreign_model),
        ("fine_tuned_models", "workspace_id"): (model, workspace),
        ("fine_tuned_models", "job_id"): (model, foreign_job),
        ("fine_tuned_models", "provider_account_id"): (model, foreign_job.provider_account),
        ("fine_tuned_models", "parent_model_id"): (model, foreign_model),
        ("agents", "workspace_id"): (agent, workspace),
        ("agents", "model_id"): (agent, foreign_model),
        ("agents", "second_model_id"): (agent, foreign_model),
        ("agents", "fallback_model_id"): (agent, foreign_model),
        ("api_keys", "workspace_id"): (key, workspace),
        ("agent_switches", "model_id"): (switch, foreign_model),
        ("agent_switches", "second_model_id"): (switch, foreign_model),
        ("api_keys_agents", "agent_id"): (ApiKey.agents.through.objects.get(), foreign_agent),
        ("api_keys_workspaces", "workspace_id"): (ApiKey.workspaces.through.objects.get(), workspace),
    }


def refused(change):
    """The constraint that refuses `change` at the end of its transaction; None when nothing does."""
    try:
        with transaction.atomic():
            change()
            connection.check_constraints()
    except IntegrityError as error:
        return error.__cause__.diag.constraint_name
    return None


def test_tries_every_column_that_is_guarded(organization, other_organization):
    guarded = {(table, column) for table, column, _ in rows(COMPOSITE_KEYS)} | {
        (table, name.removeprefix(f"{table}_").removesuffix("_same_organization"))
        for table, name in rows(TRIGGERS)
        if name.endswith("_same_organization")
    }

    assert set(ours_and_theirs(organization, other_organization)) == guarded


def test_refuses_to_point_a_row_at_a_foreign_one(organization, other_organization):
    for (table, column), (row, foreign) in ours_and_theirs(organization, other_organization).items():

        def by_orm(row=row, foreign=foreign, column=column):
            share = {"second_share": 10} if column == "second_model_id" else {}
            type(row)._base_manager.filter(pk=row.pk).update(**{column: foreign.pk}, **share)

        def by_sql(row=row, foreign=foreign, table=table, column=column):
            share = ", second_share = 10" if column == "second_model_id" else ""
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET {column} = %s{share} WHERE id = %s", [foreign.pk, row.pk])

        assert refused(by_orm) == f"{table}_{column}_same_organization"
        assert refused(by_sql) == f"{table}_{column}_same_organization"


def test_refuses_to_insert_a_row_that_refers_to_a_foreign_one(organization, other_organization):
    for (table, column), (row, foreign) in ours_and_theirs(organization, other_organization).items():
        fresh = like(row, column=column)
        setattr(fresh, column, foreign.pk)

        assert (
            refused(lambda fresh=fresh: fresh.save(force_insert=True))
            == f"{table}_{column}_same_organization"
        )


def like(row, *, column):
    """A row that is not saved yet, with other values than `row` for what may not occur twice."""
    fresh = type(row)._base_manager.get(pk=row.pk)
    fresh.pk = fresh._meta.pk.get_default()
    match fresh:
        case Agent():
            fresh.name = "other"
            fresh.second_share = 10 if column == "second_model_id" else 0
        case ApiKey():
            fresh.prefix = "at-00000000"
        case Dataset():
            fresh.version += 1
        case TrainingExample():
            fresh.position += 1
        case FineTunedModel():
            fresh.provider_model_id = "ft:other"
            fresh.job = JobFactory(organization=row.organization, status="succeeded")
    return fresh


def test_refuses_to_move_a_row_to_another_organization(organization, other_organization):
    moved = [
        JobFactory(organization=organization),
        FineTunedModelFactory(organization=organization),
        DatasetFactory(organization=organization),
        ProviderAccountFactory(organization=organization),
        Workspace.objects.create(organization=organization, name="Ours"),
    ]

    for row in moved:

        def move(row=row):
            type(row)._base_manager.filter(pk=row.pk).update(organization=other_organization)

        assert refused(move) == f"{row._meta.db_table}_organization_is_fixed"
