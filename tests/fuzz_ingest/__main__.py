"""Reads and judges CASES files made by chance: `make fuzz-ingest CASES=1000000`."""

import argparse
import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz_ingest.checks import check
from tests.fuzz_ingest.inputs import inputs

# Hypothesis remembers every case of a run; a new run begins before that takes much memory.
CASES_IN_RUN = 10_000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each run has the next one")
    options = parser.parse_args()
    started, done = time.monotonic(), 0
    while done < options.cases:
        cases = min(CASES_IN_RUN, options.cases - done)
        run(cases, options.seed + done // CASES_IN_RUN)
        done += cases
        print(f"{done:,} files, {done / (time.monotonic() - started):,.0f} a second", flush=True)


def run(cases, number):
    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(inputs())
    def holds(made):
        check(made)

    holds()


if __name__ == "__main__":
    main()
