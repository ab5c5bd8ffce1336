"""Every boundary of every step: before and after each SQL statement and each call, a worker dies, sleeps for
longer than its lease, or loses its database. `make crash-points`.

One job is taken from request to model by a forked worker that is struck at one boundary. Another worker goes on,
then the sleeper wakes. Exit status 0 when in every cell the provider made one run and the job one model.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path

from finetuning.embedded.folder import socket_folder
from finetuning.embedded.postgres import start_postgres
from finetuning.embedded.processes import process_identity
from finetuning.embedded.services import database_url
from finetuning.embedded.supervisor import Supervisor
from tests.chaos.nursery import preload
from tests.chaos.stack import children_of, free_port
from tests.waiting import wait_until

KINDS = ("kill", "pause", "postgres")
CODE = Path(__file__).resolve().parents[2]
FASTER_THAN_REAL = 3000
# A job that is polled more often meets the same boundaries again.
MAX_POINTS = 160
CALL_SECONDS = 1.0
LEASE_SECONDS = 2.2
IDLE_IN_TRANSACTION_SECONDS = 1
PATIENCE_SECONDS = 40
# Longer than that nothing here has to do: what hangs is ended, and the run with it.
ENDED_AFTER_SECONDS = 3 * PATIENCE_SECONDS
PROGRESS_EVERY = 10


class World:
    """PostgreSQL and the provider, and one organization whose jobs are struck."""

    def __init__(self, folder, sockets):
        self.folder = folder
        self.supervisor = Supervisor(folder=folder, stop_asked=threading.Event(), say=lambda line: None)
        start_postgres(self.supervisor, sockets=sockets)
        self.provider_port = free_port()
        os.environ |= {
            "JOBS_PER_HOUR": "1000000",
            "DATABASE_URL": database_url(sockets),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "of-no-value-and-only-for-these-cells-0123456789abcdefgh",
            "SERVED_OVER_HTTPS": "false",
            "SANDBOX_URL": f"http://127.0.0.1:{self.provider_port}",
            "MEDIA_ROOT": str(folder / "media"),
            "POLL_INTERVAL_SECONDS": "0.1",
            "PROVIDER_TIMEOUT_SECONDS": str(CALL_SECONDS),
            "CREATE_SETTLE_SECONDS": "1",
            "PROVIDER_CALLS_PER_MINUTE": "1000000",
            "IDLE_IN_TRANSACTION_SECONDS": str(IDLE_IN_TRANSACTION_SECONDS),
            "REDIS_URL": "redis://127.0.0.1:9/0",
            "LOG_LEVEL": "CRITICAL",
        }
        self.start_provider()
        preload(os.environ)
        _load_authorities()
        self.in_fork(prepare)

    def start_provider(self):
        from finetuning.embedded.launcher import answers
        from finetuning.embedded.processes import Command

        argv = (
            *(sys.executable, "-m", "tests.chaos.provider", "--port", str(self.provider_port)),
            *("--data", str(self.folder / "sandbox"), "--speed", str(FASTER_THAN_REAL)),
            *("--seed", "1", "--share", "0", "--late-seconds", "1"),
        )
        command = Command(name="provider", argv=argv, environment=dict(os.environ), folder=CODE)
        provider = self.supervisor.launch(command)
        self.supervisor.wait_for(provider, ready=lambda: answers(self.provider_port, "/"))

    def restart_postgres(self):
        """Kill the server with all its sessions, and start it again."""
        server = self.supervisor.child("postgres")
        victims = [server.pid, *children_of(server.pid)]
        identities = {pid: process_identity(pid) for pid in victims}
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.wait(30)
        wait_until(lambda: not any(one and process_identity(pid) == one for pid, one in identities.items()))
        again = self.supervisor.launch(server.command)
        self.supervisor.wait_for(again, ready=accepts_connections)

    def in_fork(self, work, *arguments):
        """What `work` says in a process of its own: this one never opens a connection. Raises when it fails."""
        reader, writer = os.pipe()
        pid = fork(lambda: os.write(writer, str(work(*arguments)).encode()))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"{work.__name__} failed")
        return answer


def fork(work):
    """The number of a new process that runs `work` and nothing else."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        from django.conf import settings

        signal.alarm(ENDED_AFTER_SECONDS)
        settings.JOB_LEASE_SECONDS = LEASE_SECONDS
        if os.environ["QUIET"]:
            # Without a broker, and with workers that are struck, there is much to complain about.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of this may return to the rig
        traceback.print_exc()
    finally:
        os._exit(code)


def _load_authorities():
    """What the first call of a process takes long for, so that no cell's first call takes too long."""
    import openai.resources.files
    import openai.resources.fine_tuning.jobs.jobs  # noqa: F401 - the SDK imports them when they are used

    from finetuning.providers import openai_requests

    openai_requests._trusted_authorities()


def accepts_connections():
    import psycopg

    try:
        psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def prepare():
    from django.core.management import call_command

    from finetuning.models import Organization, ProviderAccount, User
    from tests.factories import DatasetFactory

    call_command("migrate", verbosity=0)
    organization = Organization.objects.create(name="Crash points")
    User.objects.create(email="owner@example.com")
    account = ProviderAccount(organization=organization, name="sandbox", kind="sandbox", is_default=True)
    account.set_api_key("sk-test")
    account.save()
    DatasetFactory(organization=organization, examples=12)


def new_job():
    from finetuning.models import Organization, User
    from jobs import services

    organization = Organization.objects.get()
    dataset = organization.datasets.get()
    by = User.objects.get()
    job = services.create_job(organization, by=by, name="x", dataset=dataset, base_model="gpt-4.1-mini")
    return job.pk


def go_on(job_id, seconds=PATIENCE_SECONDS):
    """Take the job's steps until it has ended, or for so long; returns its status."""
    from jobs import services, tasks
    from jobs.models import Job

    give_up_at = time.monotonic() + seconds
    while (job := Job.objects.get(pk=job_id)).is_active and time.monotonic() < give_up_at:
        tasks.advance_job(job_id=job_id)
        time.sleep(0.05)
    if Job.objects.filter(pk=job_id, dup_check_at__isnull=False, status="succeeded").update(
        dup_check_at=job.created_at
    ):
        services.check_for_duplicates(Job.objects.get(pk=job_id))
    return job.status


def count_boundaries(job_id):
    with boundaries(lambda number: None) as counted:
        go_on(job_id)
    return counted[0]


def struck_worker(job_id, at):
    """A worker that stops itself at the boundary `at`; whoever started it kills it or lets it go on."""

    def stop(number):
        if number == at:
            os.kill(os.getpid(), signal.SIGSTOP)

    with boundaries(stop):
        go_on(job_id)


@contextmanager
def boundaries(reach):
    """Call `reach` with 1, 2, 3, ... before and after each statement and each call to the provider."""
    from django.db import connection

    from finetuning.providers.openai_requests import Account

    counted = [0]

    def around(call):
        counted[0] += 1
        reach(counted[0])
        try:
            return call()
        finally:
            counted[0] += 1
            reach(counted[0])

    send = Account.send
    Account.send = lambda self, *given, **named: around(lambda: send(self, *given, **named))
    with connection.execute_wrapper(lambda execute, *given: around(lambda: execute(*given))):
        yield counted
    Account.send = send


def judge(job_id):
    """What is wrong with the job now; empty when nothing is."""
    import json
    import urllib.request

    from jobs.models import Job

    job = Job.objects.get(pk=job_id)
    request = urllib.request.Request(
        f"{os.environ['SANDBOX_URL']}/v1/_ledger", headers={"Authorization": "Bearer sk-test"}
    )
    with urllib.request.urlopen(request) as answer:
        runs = json.load(answer)["references"].get(str(job_id), {"creates": 0, "cancels": 0})
    ids = list(job.events.exclude(provider_event_id=None).values_list("provider_event_id", flat=True))
    wrong = [
        job.status != "succeeded" and f"it is {job.status}: {job.error_message}",
        runs["creates"] != 1 and f"{runs['creates']} runs were made",
        not hasattr(job, "fine_tuned_model") and "it has no model",
        len(ids) != len(set(ids)) and "an event was kept twice",
    ]
    return "; ".join(word for word in wrong if word)


def strike(world, kind, at):
    """Play one cell; returns what is wrong afterwards, or None when the boundary was not reached."""
    job_id = world.in_fork(new_job)
    worker = fork(lambda: struck_worker(job_id, at))
    _, status = os.waitpid(worker, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return None
    if kind == "kill":
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    elif kind == "pause":
        world.in_fork(go_on, job_id, 2 * LEASE_SECONDS)
    else:
        world.restart_postgres()
    if kind != "kill":
        os.kill(worker, signal.SIGCONT)
        os.waitpid(worker, 0)
    world.in_fork(go_on, job_id)
    return world.in_fork(judge, job_id)


def main():
    """Play the cells that the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crash_points", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth boundary")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--verbose", action="store_true", help="show what the workers say")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ["QUIET"] = "" if options.verbose else "1"
    with tempfile.TemporaryDirectory(prefix="attune-crash-") as name, socket_folder(Path(name)) as sockets:
        world = World(Path(name), sockets)
        try:
            return play(world, options)
        finally:
            world.supervisor.stop()


def play(world, options):
    points = min(MAX_POINTS, int(world.in_fork(count_boundaries, world.in_fork(new_job))))
    cells = [(kind, at) for at in range(1, points + 1, options.every) for kind in options.kinds]
    print(f"{points} boundaries, {len(cells)} cells", flush=True)
    failures, unreached = [], 0
    for number, (kind, at) in enumerate(cells, start=1):
        if number % PROGRESS_EVERY == 0:
            print(f"cell {number}", flush=True)
        wrong = strike(world, kind, at)
        unreached += wrong is None
        if wrong:
            failures.append((kind, at))
            print(f"{kind} at {at}: {wrong}", flush=True)
    reached = len(cells) - unreached
    print(f"{reached} cells reached, {unreached} not, {len(failures)} wrong", flush=True)
    return 1 if failures or reached < len(cells) / 2 else 0


if __name__ == "__main__":
    sys.exit(main())
