"""Whatever a provider, its webhooks, users and late workers do, in any order: a job only ever goes forward.

`STATEFUL_EXAMPLES=2000 STATEFUL_STEPS=50` runs as many and as long stories as the promise names.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from finetuning.errors import Refused
from finetuning.providers.base import ProviderUnreachable, RemoteEvent, RemoteJob, RemoteStatus
from finetuning.providers.openai_answers import STATUSES
from jobs import services, steps
from jobs.models import Job
from jobs.states import TERMINAL, TRANSITIONS, Status
from models_registry.models import FineTunedModel
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db

WORDS = [*STATUSES, "paused", "thinking", ""]
MOMENT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "40"))
STEPS = int(os.environ.get("STATEFUL_STEPS", "30"))


class Listener:
    """The part of a provider that a recorded answer needs: the log of the run, newest first, and checkpoints."""

    def __init__(self, log):
        self.log = log

    def list_events(self, remote_id):
        return iter(sorted(self.log, key=lambda event: event.id, reverse=True))

    def list_checkpoints(self, remote_id):
        return []


def shown(word, *, model_id):
    return RemoteJob(
        id="ftjob-1",
        status=STATUSES.get(word),
        vendor_status=word,
        base_model="gpt-4.1-mini-2025-04-14",
        training_file="file-1",
        created_at=MOMENT,
        model_id=model_id,
        trained_tokens=1000,
        total_epochs=3,
    )


def metric(step):
    return RemoteEvent(
        id=f"ftevent-{step:04}",
        type="metrics",
        level="info",
        message=f"Step {step}",
        created_at=MOMENT + timedelta(seconds=step),
        data={"step": step, "total_steps": 100, "train_loss": 1.0},
    )


def expected(status, remote):
    """The oracle: what an answer makes of a status, written down apart from the code."""
    if status in TERMINAL or remote.status is None:
        return status
    if remote.status is RemoteStatus.SUCCEEDED:
        return Status.SUCCEEDED if remote.model_id else status
    if remote.status in (RemoteStatus.FAILED, RemoteStatus.CANCELLED):
        return Status(remote.status.value)
    return Status.RUNNING if Status.RUNNING in (status, remote.status.value) else status


class JobStory(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.user = UserFactory()
        self.job = JobFactory(status=Status.QUEUED, provider_job_id="ftjob-1")
        self.seen = [(Status.QUEUED, 0.0)]
        self.log = []
        self.sleepers = []

    def claimed(self, *, until):
        job = Job.objects.select_related("provider_account", "organization").get(pk=self.job.pk)
        return job if job.claim(now=timezone.now(), until=until) else None

    @rule(
        word=st.sampled_from(WORDS), model_id=st.sampled_from(["ft:a", "ft:b", None]), times=st.integers(1, 2)
    )
    def the_provider_answers(self, word, model_id, times):
        remote = shown(word, model_id=model_id)
        wanted = expected(self.status(), remote)

        for _ in range(times):
            if job := self.claimed(until=timezone.now() + timedelta(minutes=2)):
                answer = partial(steps.record_answer, job, Listener(self.log), remote)
                services.take_step(job, answer)

        assert self.status() == wanted

    @rule(step=st.integers(1, 120))
    def training_goes_on(self, step):
        self.log = [*self.log, metric(step)]

    @rule(count=st.integers(0, 3))
    def the_log_lags(self, count):
        self.log = self.log[:count]

    @rule()
    def a_worker_falls_asleep(self):
        if job := self.claimed(until=timezone.now()):
            self.sleepers.append(job)

    @precondition(lambda self: self.sleepers)
    @rule(word=st.sampled_from(WORDS), data=st.data())
    def a_sleeper_wakes_with_an_old_answer(self, word, data):
        job = self.sleepers.pop(data.draw(st.integers(0, len(self.sleepers) - 1)))
        before = self.status()
        is_owner = Job.objects.filter(pk=job.pk, lease_owner=job.lease_owner).exists()
        remote = shown(word, model_id="ft:late")

        services.take_step(job, partial(steps.record_answer, job, Listener(self.log), remote))

        assert self.status() == (expected(before, remote) if is_owner else before)

    @rule()
    def a_call_fails(self):
        def fail():
            raise ProviderUnreachable("No answer.")

        before = self.status()
        if job := self.claimed(until=timezone.now() + timedelta(minutes=2)):
            services.take_step(job, fail)
        assert self.status() == before

    @rule()
    def a_user_cancels(self):
        before = self.status()
        try:
            services.cancel_job(Job.objects.get(pk=self.job.pk), by=self.user)
        except Refused:
            assert before in TERMINAL
        assert self.status() == before

    @rule()
    def a_webhook_rings(self):
        self.job.make_due(now=timezone.now())

    def status(self):
        return Status(Job.objects.values_list("status", flat=True).get(pk=self.job.pk))

    @invariant()
    def goes_forward_only(self):
        job = Job.objects.get(pk=self.job.pk)
        (status, progress), now = self.seen[-1], (Status(job.status), job.progress_percentage)
        assert now[0] == status or now[0] in reachable(status)
        assert now[1] >= progress
        assert (now[1] == 100) == (now[0] is Status.SUCCEEDED)
        assert (job.next_check_at is None) == (now[0] in TERMINAL)
        self.seen.append(now)

    @invariant()
    def has_one_model_when_it_succeeded(self):
        assert FineTunedModel.objects.filter(job=self.job).count() == (self.status() is Status.SUCCEEDED)

    @invariant()
    def logs_each_move_and_each_event_once(self):
        moves = [event.metadata["status"] for event in self.job.events.filter(metadata__has_key="status")]
        ids = list(
            self.job.events.exclude(provider_event_id=None).values_list("provider_event_id", flat=True)
        )
        assert len(moves) == len(set(moves))
        assert len(ids) == len(set(ids))


def reachable(status):
    """Where a job can come from here by legal moves, one or more."""
    direct = set(TRANSITIONS[status])
    return direct.union(*(reachable(target) for target in direct))


def test_a_job_only_goes_forward():
    run_state_machine_as_test(
        JobStory,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
