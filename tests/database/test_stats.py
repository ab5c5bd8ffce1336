"""The numbers that triggers keep are those that counting all rows would give."""

import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies

from datasets.models import Conversation, Dataset
from finetuning.models import StatChange, Workspace
from finetuning.tasks import compact_stats
from jobs.models import Job
from jobs.states import TERMINAL, Status
from models_registry.models import FineTunedModel
from tests.factories import DatasetFactory, FineTunedModelFactory, JobFactory, OrganizationFactory


def counted(organization, workspace=None):
    """What the API's numbers must be, by reading every row."""
    limits = {"workspace": workspace} if workspace else {}
    datasets = list(Dataset.objects.newest().filter(organization=organization, **limits))
    jobs = list(Job.objects.filter(organization=organization, **limits))
    models = list(FineTunedModel.objects.filter(organization=organization, **limits))
    return {
        "datasets": {
            "total_datasets": len(datasets),
            "validated_datasets": sum(row.status == "valid" for row in datasets),
            "invalid_datasets": sum(row.status == "invalid" for row in datasets),
            "total_examples": sum(row.total_examples for row in datasets),
            "total_tokens": sum(row.total_tokens for row in datasets),
            "total_size_bytes": sum(row.file_size_bytes for row in datasets),
            "by_format": dict(Counter(row.format for row in datasets)),
            "by_source": dict(Counter(row.source for row in datasets)),
        },
        "jobs": {
            "total_jobs": len(jobs),
            "active_jobs": sum(row.is_active for row in jobs),
            "spent_usd": sum(row.actual_cost_usd or 0 for row in jobs),
            "by_status": {status: sum(row.status == status for row in jobs) for status in Status},
        },
        "models": {
            "total_models": len(models),
            "deployed_models": sum(row.deployed for row in models),
            "active_models": sum(row.status == "active" for row in models),
            "archived_models": sum(row.status == "archived" for row in models),
            "total_requests": sum(row.total_requests for row in models),
            "total_tokens_used": sum(row.total_tokens_used for row in models),
            "by_provider": dict(Counter(row.provider_account.name for row in models)),
            "by_base_model": dict(Counter(row.base_model for row in models)),
        },
    }


def kept(organization, workspace=None):
    """The same from the kept numbers, and without those that follow from others."""
    expected = counted(organization, workspace)
    found = {
        "datasets": organization.datasets.totals(workspace=workspace),
        "jobs": organization.jobs.totals(workspace=workspace),
        "models": organization.fine_tuned_models.totals(workspace=workspace),
    }
    return {subject: {name: totals[name] for name in expected[subject]} for subject, totals in found.items()}


class World:
    """Random changes of every kind, by the ORM in bulk, by single rows and by SQL."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.organization = OrganizationFactory()
        self.workspaces = [
            Workspace.objects.create(organization=self.organization, name=name) for name in "ab"
        ]

    def some(self, model):
        rows = list(model._base_manager.filter(organization=self.organization))
        return model._base_manager.filter(pk__in=[row.pk for row in rows if self.dice.random() < 0.4])

    def workspace(self):
        return self.dice.choice([None, *self.workspaces])

    def add(self):
        columns = {"organization": self.organization, "workspace": self.workspace()}
        DatasetFactory(**columns, status=self.dice.choice(["valid", "processing"]), examples=2)
        JobFactory(**columns)
        FineTunedModelFactory(**columns)

    def add_many(self):
        Dataset.objects.bulk_create(
            DatasetFactory.build_batch(
                3, organization=self.organization, workspace=self.workspace(), format="csv"
            )
        )

    def check(self):
        self.some(Dataset).update(
            status="invalid", next_check_at=None, total_examples=self.dice.randrange(99)
        )

    def spend(self):
        self.some(Job).update(actual_cost_usd=self.dice.choice([None, "0.00", "12.34"]))

    def end(self):
        for job in self.some(Job).exclude(status__in=TERMINAL):
            job.move_to(Status.FAILED, message="", now=timezone.now())

    def use(self):
        FineTunedModel.with_deleted.filter(pk__in=self.some(FineTunedModel)).count_usage(
            requests=2, prompt_tokens=3, completion_tokens=4, latency_ms=5, now=timezone.now()
        )

    def deploy(self):
        self.some(FineTunedModel).filter(deleted_at=None, status="active").update(deployed=True)

    def put_away(self):
        self.some(FineTunedModel).update(deployed=False, status="archived")

    def hide(self):
        self.some(Dataset).update(deleted_at=timezone.now(), next_check_at=None)
        self.some(FineTunedModel).update(deployed=False, deleted_at=timezone.now())

    def show_again(self):
        self.some(Dataset).update(deleted_at=None)

    def supersede(self):
        self.some(Dataset).update(superseded_at=self.dice.choice([None, timezone.now()]))

    def move(self):
        self.some(self.dice.choice([Dataset, Job, FineTunedModel])).update(workspace=self.workspace())

    def delete(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM fine_tuned_models WHERE organization_id = %s AND NOT deployed",
                [self.organization.pk],
            )

    def compact(self):
        compact_stats()


HELPERS = {"__init__", "some", "workspace"}
ACTIONS = [name for name, value in vars(World).items() if callable(value) and name not in HELPERS]


@pytest.mark.django_db
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=strategies.integers(0, 2**32),
    actions=strategies.lists(
        strategies.tuples(strategies.sampled_from(ACTIONS), strategies.booleans()), max_size=12
    ),
)
def test_keeps_the_numbers_of_all_rows(seed, actions):
    world = World(seed)
    world.add()

    for action, is_taken_back in actions:
        with transaction.atomic():
            getattr(world, action)()
            if is_taken_back:
                transaction.set_rollback(True)

    assert kept(world.organization) == counted(world.organization)
    for workspace in world.workspaces:
        assert kept(world.organization, workspace) == counted(world.organization, workspace)


def test_keeps_one_row_for_each_number_after_compacting(organization):
    DatasetFactory.create_batch(5, organization=organization, examples=2)
    before = kept(organization)

    compact_stats()

    numbers = StatChange.objects.values_list("workspace_id", "subject", "measure", "key")
    assert len(numbers) == len(set(numbers)) == 5
    assert kept(organization) == before == counted(organization)


def test_counts_conversations(organization, other_organization):
    Conversation.objects.bulk_create([Conversation(organization=organization, messages=[]) for _ in range(3)])
    Conversation.objects.create(organization=other_organization, messages=[])

    assert organization.conversations.total() == 3


def test_leaves_nothing_of_an_organization_that_is_deleted(organization):
    FineTunedModelFactory(organization=organization).delete()
    Job.objects.all().delete()

    organization.datasets.all().delete()
    organization.delete()
    compact_stats()

    assert not StatChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_loses_no_change_while_many_write_and_compact():
    organization = OrganizationFactory()
    jobs = JobFactory.create_batch(8, organization=organization, status=Status.QUEUED)

    def work(job):
        job.move_to(Status.RUNNING, message="", now=timezone.now())
        compact_stats()
        job.move_to(Status.FAILED, message="", now=timezone.now())
        compact_stats()
        connection.close()

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kept(organization) == counted(organization)
    assert organization.jobs.totals()["failed_jobs"] == 8


@pytest.mark.django_db
def test_takes_the_median_of_the_jobs_that_succeeded(organization):
    for minutes in (1, 2, 30):
        end = timezone.now()
        JobFactory(
            organization=organization,
            status=Status.SUCCEEDED,
            started_at=end - timedelta(minutes=minutes),
            completed_at=end,
        )
    JobFactory(organization=organization, status=Status.SUCCEEDED)

    assert organization.jobs.median_duration() == pytest.approx(120)
