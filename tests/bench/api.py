"""`make bench-api`: the API's views against a bare view of REST framework, with few jobs and with many.

The last line is JSON. `vs_bare_view` is the worst ratio of requests per second, bare view by real view;
`million_vs_hundred` the worst ratio, with few jobs by with many; `foreign_vs_missing` the ratio of the medians of two 404s. 1 is no
difference.
"""

import argparse
import json
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"

import django

django.setup()

from django.core import signing
from django.core.management import call_command
from django.db import connection

from finetuning.api.tokens import issue_tokens
from finetuning.ids import uuid7
from jobs.models import Job
from tests.bench.harness import Target, measure, print_json, print_table, timed, web_server
from tests.bench.rows import organization_with_jobs

JOBS = "/api/fine-tuning/jobs"
VIEWS = ("list", "detail", "estimate")
FEW = 100
EXAMPLES = 20_000
FOREIGN, NOWHERE = "another organization's job", "no job"
PAGE = 10_000
ROWS_ON_A_PAGE = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=80, help="for each view in each round")
    options = parser.parse_args()
    timed("migrate", lambda: call_command("migrate", verbosity=0))
    targets: list[Target] = []
    timed(f"{FEW:,} jobs", lambda: targets.extend(targets_with(FEW, "few")))
    timed(f"{options.jobs:,} jobs", lambda: targets.extend(targets_with(options.jobs, "many")))
    targets.extend(targets_that_are_missing(token=targets[0].token))
    with connection.cursor() as cursor:
        timed("vacuum", lambda: cursor.execute("VACUUM ANALYZE"))
    with web_server() as port:
        measure(targets, port, rounds=options.rounds, requests=options.requests)
    print_table(targets)
    print_json(figures(targets))


def targets_with(count: int, size: str) -> list[Target]:
    """The real views with so many jobs, and a bare view beside each."""
    organization, user, dataset = organization_with_jobs(count, examples=EXAMPLES)
    token = issue_tokens(user.memberships.get())["access"]
    newest = organization.jobs.order_by("-created_at", "-id")
    order = json.dumps({"datasetId": str(dataset.pk), "baseModel": "gpt-4.1-mini", "epochs": 3})
    paths = {
        "list": ("GET", JOBS, None),
        "detail": ("GET", f"{JOBS}/{newest[count // 2].pk}", None),
        "estimate": ("POST", f"{JOBS}/estimate-cost", order),
    }
    found = []
    for view in VIEWS:
        method, path, body = paths[view]
        found.append(
            Target(name=f"bare {view}, {size}", method=method, path=f"/bare/{view}", token=token, body=body)
        )
        found.append(Target(name=f"{view}, {size}", method=method, path=path, token=token, body=body))
    if count > PAGE * ROWS_ON_A_PAGE:
        path = f"{JOBS}?cursor={cursor_of(newest[(PAGE - 1) * ROWS_ON_A_PAGE - 1])}"
        found.append(Target(name=f"list, page {PAGE:,}", method="GET", path=path, token=token))
    return found


def targets_that_are_missing(*, token: str) -> list[Target]:
    """A job of another organization, and one that is nowhere: how long the answer takes must not tell which."""
    foreign = organization_with_jobs(1, examples=1)[0].jobs.get()
    paths = {FOREIGN: foreign.pk, NOWHERE: uuid7()}
    return [
        Target(name=name, method="GET", path=f"{JOBS}/{pk}", token=token, status=404)
        for name, pk in paths.items()
    ]


def cursor_of(job: Job) -> str:
    """What the list gives as `nextCursor` where this job is the last one of a page."""
    position = [job.created_at.isoformat(), str(job.pk)]
    return signing.dumps(position, salt="jobs.Job:('-created_at', '-id')")


def figures(targets: list[Target]) -> dict[str, object]:
    by_name = {target.name: target for target in targets}
    bare = {
        f"{view}, {size}": by_name[f"bare {view}, {size}"].per_second / by_name[f"{view}, {size}"].per_second
        for view in VIEWS
        for size in ("few", "many")
    }
    growth = {
        view: by_name[f"{view}, few"].per_second / by_name[f"{view}, many"].per_second for view in VIEWS
    }
    raw = {
        target.name: {
            "requests_per_second": round(target.per_second, 1),
            "p50_ms": round(target.percentile(50), 2),
            "p99_ms": round(target.percentile(99), 2),
        }
        for target in targets
    }
    return {
        "vs_bare_view": round(max(bare.values()), 3),
        "million_vs_hundred": round(max(growth.values()), 3),
        "foreign_vs_missing": round(by_name[FOREIGN].percentile(50) / by_name[NOWHERE].percentile(50), 3),
        "bare_view_by_view": {name: round(ratio, 3) for name, ratio in bare.items()},
        "few_by_many": {name: round(ratio, 3) for name, ratio in growth.items()},
        "raw": raw,
    }


if __name__ == "__main__":
    main()
