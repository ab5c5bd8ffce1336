"""A job at the sandbox, and what moves it."""

import pytest

from jobs import services
from tests.factories import DatasetFactory


@pytest.fixture
def account(provider_account, sandbox):
    provider_account.set_api_key("sk-test")
    provider_account.save()
    return provider_account


@pytest.fixture
def dataset(organization):
    return DatasetFactory(organization=organization, examples=12)


@pytest.fixture
def job(organization, user, account, dataset):
    return services.create_job(
        organization, by=user, name="Support", dataset=dataset, base_model="gpt-4.1-mini"
    )


def advance(job, sandbox, *, seconds=0, times=1):
    """Let the provider's time pass and take the job's next step, so many times."""
    for _ in range(times):
        sandbox.clock.advance(seconds)
        services.advance_job(job)
        job.refresh_from_db()


def measure(job, step, **metrics):
    """Let the provider have told what was measured at a step."""
    job.events.create(
        event_type="metrics",
        message=f"Step {step}",
        metadata={"step": step, **metrics},
        provider_event_id=f"e{step}",
    )
