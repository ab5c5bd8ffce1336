"""Reads and judges CASES files made by chance: `make fuzz-ingest CASES=1000000`."""

import argparse
import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz_ingest.checks import check
from tests.fuzz_ingest.inputs import FILES_AT_ONCE, inputs

# Hypothesis remembers all that it has drawn in a run; a new run begins before that takes much memory.
DRAWS_IN_RUN = 500
FILES_IN_RUN = DRAWS_IN_RUN * FILES_AT_ONCE


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help=f"rounded up to {FILES_IN_RUN:,}")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each run has the next one")
    options = parser.parse_args()
    started, done = time.monotonic(), 0
    while done < options.cases:
        number = options.seed + done // FILES_IN_RUN
        run(number)
        done += FILES_IN_RUN
        rate = done / (time.monotonic() - started)
        print(f"seed {number} held; {done:,} files, {rate:,.0f} a second", flush=True)


def run(number):
    @seed(number)
    @settings(
        max_examples=DRAWS_IN_RUN,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(inputs())
    def holds(files):
        for made in files:
            check(made)

    holds()


if __name__ == "__main__":
    main()
