"""The smallest rows that a test can ask for. What a test is about, it says itself."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from datasets.models import Dataset
from finetuning.models import Organization, ProviderAccount, User
from jobs.models import Job
from jobs.states import TERMINAL, Status
from models_registry.models import FineTunedModel

PASSWORD = "correct horse battery staple"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class OrganizationFactory(DjangoModelFactory):
    name = factory.Sequence("Organization {}".format)

    class Meta:
        model = Organization


class UserFactory(DjangoModelFactory):
    """A user with the password PASSWORD; `UserFactory(member_of=organization, member_of__role="viewer")`."""

    email = factory.Sequence("person{}@example.com".format)
    password = factory.django.Password(PASSWORD)

    class Meta:
        model = User
        skip_postgeneration_save = True

    @factory.post_generation
    def member_of(self, create, organization, **columns):
        if organization is not None:
            self.memberships.create(organization=organization, **columns)


class ProviderAccountFactory(DjangoModelFactory):
    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence("sandbox{}".format)
    kind = ProviderAccount.Kind.SANDBOX

    class Meta:
        model = ProviderAccount


class DatasetFactory(DjangoModelFactory):
    """A dataset that was read and found valid; `DatasetFactory(examples=12)` has that many example rows."""

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence("Dataset {}".format)
    file_name = "training.jsonl"
    format = Dataset.Format.JSONL
    status = Dataset.Status.VALID
    next_check_at = factory.LazyAttribute(
        lambda dataset: LONG_AGO if dataset.status == Dataset.Status.PROCESSING else None
    )

    class Meta:
        model = Dataset
        skip_postgeneration_save = True

    @factory.post_generation
    def examples(self, create, count, **columns):
        for position in range(count or 0):
            self.examples.create(
                position=position,
                line=position + 1,
                messages=[
                    {"role": "user", "content": f"Question {position}?"},
                    {"role": "assistant", "content": f"Answer {position}."},
                ],
                token_count=10,
            )
        if count:
            self.total_examples, self.total_tokens = count, 10 * count
            self.save(update_fields=["total_examples", "total_tokens"])


class JobFactory(DjangoModelFactory):
    """A job in any state, in the organization of its dataset."""

    name = factory.Sequence("Job {}".format)
    organization = factory.SubFactory(OrganizationFactory)
    dataset = factory.SubFactory(DatasetFactory, organization=factory.SelfAttribute("..organization"))
    provider_account = factory.SubFactory(
        ProviderAccountFactory, organization=factory.SelfAttribute("..organization")
    )
    base_model = "gpt-4.1-mini-2025-04-14"
    seed = 42
    status = Status.PENDING
    next_check_at = factory.LazyAttribute(lambda job: None if job.status in TERMINAL else LONG_AGO)
    progress_percentage = factory.LazyAttribute(lambda job: 100 if job.status == Status.SUCCEEDED else 0)

    class Meta:
        model = Job


class FineTunedModelFactory(DjangoModelFactory):
    """A model with the job that yielded it."""

    organization = factory.SubFactory(OrganizationFactory)
    job = factory.SubFactory(
        JobFactory, status=Status.SUCCEEDED, organization=factory.SelfAttribute("..organization")
    )
    provider_account = factory.SelfAttribute("job.provider_account")
    name = factory.Sequence("Model {}".format)
    base_model = factory.SelfAttribute("job.base_model")
    provider_model_id = factory.Sequence("ft:gpt-4.1-mini-2025-04-14:sandbox::{}".format)

    class Meta:
        model = FineTunedModel
