"""Twelve ways in which a provider can spoil a create or the look for it: never two runs of one job.

CI tries each a few times; `FAULT_REPEATS=50` tries the 600 of docs/guarantees.md.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from finetuning.providers import get_provider
from finetuning.providers.base import TrainingRun
from finetuning.sandbox.faults import Fault
from jobs import services
from jobs.models import Job
from jobs.states import Status
from models_registry.models import FineTunedModel

pytestmark = pytest.mark.django_db(transaction=True)

REPEATS = int(os.environ.get("FAULT_REPEATS", "1"))
CREATE, LIST = "POST /fine_tuning/jobs", "GET /fine_tuning/jobs"


@dataclass(frozen=True)
class Script:
    """Faults, and how many other runs stand in the account's list."""

    faults: list[Fault] = field(default_factory=list)
    neighbours: int = 0


LOST = Fault(kind="drop_after", route=CREATE, times=1)
SCRIPTS = {
    "the answer is lost": Script([LOST]),
    "500 after the effect": Script([Fault(kind="error_after", route=CREATE, times=1)]),
    "a reset within the answer": Script([Fault(kind="reset_mid_body", route=CREATE, times=1)]),
    "409 after the effect": Script([Fault(kind="error_after", route=CREATE, status=409, times=1)]),
    "429 without an effect": Script(
        [Fault(kind="error", route=CREATE, status=429, retry_after="0", times=1)]
    ),
    "accepted late": Script([Fault(kind="commit_late", route=CREATE, seconds=2, times=1)]),
    "the list lags": Script([LOST, Fault(kind="list_lag", seconds=2)]),
    "the run is on another page": Script([LOST, Fault(kind="small_pages", route=LIST)], neighbours=5),
    "the list fails": Script([LOST, Fault(kind="error", route=LIST, status=500, times=2)]),
    "the filter is ignored": Script([LOST, Fault(kind="filter_ignored", route=LIST)], neighbours=3),
    "the answer drips": Script([Fault(kind="drip", route=CREATE, seconds=0.05, times=1)]),
    "a redirect": Script([Fault(kind="redirect", route=CREATE, times=1)]),
}


@pytest.fixture
def impatient(settings):
    """Time is compressed as far as the faults allow: the sandbox's clock runs a second for each step."""
    settings.PROVIDER_TIMEOUT_SECONDS = 0.5
    settings.CREATE_SETTLE_SECONDS = 0.5
    settings.JOB_LEASE_SECONDS = 5


def make_neighbours(job, count):
    """So many runs of others, made after the one that is looked for."""
    provider = get_provider(job.provider_account)
    with NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"{}\n")
        file.flush()
        other_file = provider.upload_file(Path(file.name), name="other.jsonl")
    for number in range(count):
        reference = f"other-{number}"
        provider.create_job(
            TrainingRun(reference=reference, base_model=job.base_model, training_file=other_file)
        )


def finish(job, sandbox, script):
    for step in range(60):
        services.advance_job(Job.objects.get(pk=job.pk))
        job.refresh_from_db()
        if step == 0 and script.neighbours:
            make_neighbours(job, script.neighbours)
        if job.is_finished:
            return
        sandbox.clock.advance(1 if job.provider_job_id is None else 20)


@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("name", SCRIPTS)
def test_trains_once_whatever_becomes_of_the_create(job, sandbox, impatient, name, repeat):
    script = SCRIPTS[name]
    sandbox.fail(*script.faults)

    finish(job, sandbox, script)

    runs = sandbox.ledger()["references"][str(job.pk)]
    assert (runs["creates"], runs["cancels"]) == (1, 0)
    assert job.status == Status.SUCCEEDED
    assert FineTunedModel.objects.get().job == job
