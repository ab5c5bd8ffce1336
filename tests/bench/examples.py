"""`make bench-examples`: the first and the last page of the examples of a large dataset, API and web page.

The last line is JSON: milliseconds of server time, the median of `--rounds` requests, with few examples and many.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"

import django

django.setup()

from django.core import signing
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from finetuning.api.tokens import issue_tokens
from tests.bench.harness import print_json, timed
from tests.bench.rows import organization_with_jobs

FEW = 100
PAGE = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    timed("migrate", lambda: call_command("migrate", verbosity=0))
    figures = {}
    for size, count in (("few", FEW), ("many", options.examples)):
        for name, ask in requests_for(count).items():
            figures[f"{name}, {size}"] = round(milliseconds(ask, rounds=options.rounds), 2)
    for name, taken in figures.items():
        print(f"{name:<28}{taken:>8.2f} ms")
    print_json(figures)


def requests_for(count: int) -> dict[str, Callable[[], object]]:
    """Each page of a dataset with so many examples."""
    _, user, dataset = organization_with_jobs(1, examples=count)
    Dataset.objects.filter(pk=dataset.pk).update(total_examples=count, status=Dataset.Status.VALID)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE training_examples")
    token = issue_tokens(user.memberships.get())["access"]
    client = Client(headers={"authorization": f"Bearer {token}"}, SERVER_NAME="localhost")
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(user)
    api, page = reverse("dataset-examples", args=[dataset.pk]), reverse("datasets:detail", args=[dataset.pk])
    ordering = ("position",)
    cursor_of_last = signing.dumps([count - PAGE - 1], salt=f"datasets.TrainingExample:{ordering}")
    return {
        "API, first page": lambda: checked(client.get(api)),
        "API, last page": lambda: checked(client.get(f"{api}?cursor={cursor_of_last}")),
        "web page, first": lambda: checked(browser.get(page)),
        "web page, last": lambda: checked(browser.get(f"{page}?page={count // PAGE}")),
    }


def checked(answer: object) -> None:
    if getattr(answer, "status_code", 0) != 200:
        raise SystemExit(f"An answer was not 200: {answer}")


def milliseconds(ask: Callable[[], object], *, rounds: int) -> float:
    """The median of so many requests, after a few that warm up."""
    taken = []
    for number in range(rounds + 5):
        began = time.perf_counter()
        ask()
        if number >= 5:
            taken.append(1000 * (time.perf_counter() - began))
    return median(taken)


if __name__ == "__main__":
    main()
