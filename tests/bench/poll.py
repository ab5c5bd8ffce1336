"""What it costs to watch many running jobs: provider calls, SQL statements and seconds of a sweep.

`make bench-poll` runs it on a PostgreSQL of its own. One process stands for one worker: it does what the
sweep rings for, one task after the other. The last line is JSON:

- `seconds_per_sweep`       one sweep over JOBS running jobs in 100 organizations, the median of SWEEPS
- `calls_per_1000_jobs`     requests to the provider in it, for each 1,000 jobs
- `sql_per_1000_jobs`       SQL statements in it, for each 1,000 jobs
- `cost_10000_vs_100`       seconds for each job with JOBS jobs, divided by that with 100 jobs
- `oldest_seconds`          how long ago the job was seen that was seen longest ago, after the last sweep
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import django

os.environ |= {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": "of-no-value-and-only-for-this-measurement-0123456789abcdef",
    "SERVED_OVER_HTTPS": "false",
    "PROVIDER_CALLS_PER_MINUTE": "1000000",
    "LOG_LEVEL": "WARNING",
}
ORGANIZATIONS = 100


def main() -> None:
    """Measure with 100 jobs, then with all of them, and print both."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.poll", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--sweeps", type=int, default=3)
    options = parser.parse_args()
    django.setup()
    from django.core.management import call_command  # needs the settings

    call_command("migrate", verbosity=0)
    small = measure(100, options.sweeps)
    large = measure(options.jobs, options.sweeps)
    print(json.dumps({"jobs": 100} | small))
    thousands = options.jobs / 1000
    print(
        json.dumps(
            {
                "jobs": options.jobs,
                "calls_per_1000_jobs": round(large["calls"] / thousands, 1),
                "sql_per_1000_jobs": round(large["sql"] / thousands, 1),
                "seconds_per_sweep": round(large["seconds"], 2),
                "cost_10000_vs_100": round((large["seconds"] / options.jobs) / (small["seconds"] / 100), 3),
                "oldest_seconds": round(large["oldest_seconds"], 1),
            }
        )
    )


@contextmanager
def provider(jobs_per_account):
    command = [sys.executable, "-m", "tests.bench.provider", "--jobs-per-account", str(jobs_per_account)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def measure(jobs: int, sweeps: int) -> dict[str, float]:
    """The medians of so many sweeps over `jobs` jobs, and the oldest look at one after the last sweep."""
    from django.conf import settings
    from django.utils import timezone

    from jobs.models import Job

    per_account = jobs // ORGANIZATIONS
    with provider(per_account) as url:
        settings.SANDBOX_URL = url
        make_jobs(per_account)
        # The first sweep reads what is new of every job; it is not what goes on from then on.
        sweep(url)
        found = [sweep(url) for _ in range(sweeps)]
        oldest = Job.objects.order_by("last_polled_at").values_list("last_polled_at", flat=True)[0]
        medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
        return medians | {"oldest_seconds": (timezone.now() - oldest).total_seconds()}


def make_jobs(per_account: int) -> None:
    from django.utils import timezone

    from finetuning.models import Organization, ProviderAccount
    from jobs.models import Job

    Job.objects.all().delete()
    Organization.objects.all().delete()
    for number in range(ORGANIZATIONS):
        organization = Organization.objects.create(name=f"Organization {number}")
        dataset = organization.datasets.create(name="x", status="valid", format="jsonl", next_check_at=None)
        account = ProviderAccount(organization=organization, name="sandbox", kind="sandbox")
        account.set_api_key(f"sk-{number}")
        account.save()
        Job.objects.bulk_create(
            Job(
                organization=organization,
                dataset=dataset,
                provider_account=account,
                name=f"Job {run}",
                base_model="gpt-4.1-mini-2025-04-14",
                seed=1,
                status="running",
                provider_job_id=f"ftjob-{number}-{run}",
                vendor_status="running",
                training_file_id=f"file-{number}-{run}",
                started_at=timezone.now(),
            )
            for run in range(per_account)
        )


def sweep(url: str) -> dict[str, float]:
    """Make all jobs due, and do at once what the sweep rings for; returns what that took."""
    from django.db import connection
    from django.utils import timezone

    from jobs import tasks
    from jobs.models import Job

    Job.objects.update(next_check_at=timezone.now())
    statements = 0

    def count(execute, sql, parameters, many, context):
        nonlocal statements
        statements += 1
        return execute(sql, parameters, many, context)

    rung = []
    for task in (tasks.advance_job, tasks.poll_account):
        task.apply_async = lambda kwargs, task=task, **_: rung.append((task, kwargs))
    calls = count_calls(url)
    began = time.perf_counter()
    with connection.execute_wrapper(count):
        tasks.advance_due_jobs()
        while rung:
            task, kwargs = rung.pop(0)
            task(**kwargs)
    return {
        "seconds": time.perf_counter() - began,
        "sql": statements,
        "calls": count_calls(url) - calls,
    }


def count_calls(url: str) -> int:
    with urllib.request.urlopen(f"{url}/calls") as answer:
        return sum(json.load(answer).values())


if __name__ == "__main__":
    main()
