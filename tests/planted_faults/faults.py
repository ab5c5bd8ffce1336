"""Which guards are taken away, and which test must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`old` stands once in `file` and becomes `new`; then `test` fails, and before it passes."""

    name: str
    file: str
    old: str
    new: str
    test: str


STARTING = "tests/jobs/test_starting.py"
FAULTS = (
    Fault(
        name="no lookup",
        file="jobs/starting.py",
        old="    found = _find_own_runs(job, provider, installation)\n    if found:",
        new="    found: list[RemoteJob] = []\n    if found:",
        test="tests/jobs/test_services.py::test_adopts_the_run_whose_answer_was_lost",
    ),
    Fault(
        name="no lock",
        file="jobs/locks.py",
        old="        if locked != (True,):",
        new="        if locked is None:",
        test=f"{STARTING}::test_waits_for_the_paused_worker_that_holds_the_lock",
    ),
    Fault(
        name="no settling time",
        file="jobs/starting.py",
        old="    if not settled or job.looks_without_match < LOOKS_BEFORE_RESEND:",
        new="    if False:",
        test="tests/jobs/test_services.py::test_does_not_send_a_lost_create_again_too_early",
    ),
    Fault(
        name="no compare-and-set",
        file="jobs/models/jobs.py",
        old="        held = Job.objects.filter(pk=self.pk, lease_owner=self.lease_owner, status__in=ACTIVE)\n"
        "        if not held",
        new="        held = Job.objects.filter(pk=self.pk)\n        if not held",
        test="tests/jobs/test_models.py::test_records_nothing_once_the_lease_went_to_another_worker",
    ),
    Fault(
        name="no lease",
        file="jobs/models/jobs.py",
        old="        claimed = Job.objects.filter(free, pk=self.pk, status__in=ACTIVE)",
        new="        claimed = Job.objects.filter(pk=self.pk, status__in=ACTIVE)",
        test="tests/jobs/test_models.py::test_only_one_claim_wins",
    ),
    Fault(
        name="no intent",
        file="jobs/starting.py",
        old="        create_intent_at=now,\n",
        new="",
        test="tests/jobs/test_scripted_faults.py",
    ),
    Fault(
        name="the SDK repeats creates",
        file="finetuning/providers/openai_requests.py",
        old="            max_retries=0,",
        new="            max_retries=2,",
        test="tests/finetuning/providers/test_openai_create.py::test_may_have_been_created",
    ),
    Fault(
        name="the table of moves is not asked",
        file="jobs/models/jobs.py",
        old="pk=self.pk, status__in=sources(status))",
        new="pk=self.pk)",
        test="tests/jobs/test_models.py::test_moves_only_along_the_table",
    ),
    Fault(
        name="a naive sweep",
        file="jobs/models/querysets.py",
        old="        return self.free(now).filter(next_check_at__lte=now)",
        new="        return self.filter(next_check_at__lte=now)",
        test="tests/jobs/test_models.py::test_finds_due_jobs_that_nobody_holds",
    ),
    Fault(
        name="published before the commit",
        file="finetuning/queueing.py",
        old="    transaction.on_commit(ring, robust=True)",
        new="    ring()",
        test="tests/finetuning/test_queueing.py",
    ),
    Fault(
        name="a webhook is taken twice",
        file="jobs/notices.py",
        old="    if not is_new or not",
        new="    if not",
        test="tests/jobs/test_notices.py::test_takes_the_same_webhook_once",
    ),
    Fault(
        name="no cap on attempts",
        file="jobs/services.py",
        old="    if job.attempts > MAX_ATTEMPTS and",
        new="    if False and",
        test="tests/jobs/test_services.py::test_gives_up_a_job_whose_worker_dies_every_time",
    ),
)
