"""`make fuzz`: schemathesis over the described API, all checks, as a viewer, a member and an owner.

The last line is JSON: how many `cases` were sent, the roles whose run `failed`, the `seed`, and the answers' statuses
by role. Exits with 1 when a check failed. `SEED` repeats a run.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.fuzz.settings"

import django

django.setup()

from django.core.management import call_command

from tests.bench.harness import ADDRESS, print_json, timed, web_server

ROLES = ("viewer", "member", "owner")
PHASES = "examples,coverage,fuzzing,stateful"
MAX_RUNS = 1_000
CONFIG = Path(__file__).with_name("schemathesis.toml")
DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="in all, at least")
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES)
    parser.add_argument("--phases", default=PHASES, help="of schemathesis; `coverage` takes the longest")
    parser.add_argument("--examples", type=int, default=10, help="made up for each operation in a run")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    timed("migrate", lambda: call_command("migrate", verbosity=0))
    print(f"seed: {options.seed}", flush=True)
    with web_server() as port, ThreadPoolExecutor(len(options.roles)) as pool:
        share = options.cases / len(options.roles)
        asked = {role: pool.submit(fuzz, role, port, options, cases=share) for role in options.roles}
        runs = {role: run.result() for role, run in asked.items()}
    cases = sum(run["cases"] for run in runs.values())
    failed = [role for role, run in runs.items() if run["failed"]]
    print_json({"cases": cases, "failed": failed, "seed": options.seed, "by_role": runs})
    sys.exit(bool(failed))


def fuzz(role: str, port: int, options: argparse.Namespace, *, cases: float) -> dict[str, Any]:
    """Runs of schemathesis as that role, each with the next seed, until it has sent so many cases or failed."""
    sent: Counter[str] = Counter()
    failed = False
    for number in range(MAX_RUNS):
        run, failed = run_schemathesis(role, port, options, seed=options.seed + number)
        sent += run
        if failed or sent.total() >= cases:
            break
    return {"cases": sent.total(), "statuses": dict(sorted(sent.items())), "failed": failed}


def run_schemathesis(
    role: str, port: int, options: argparse.Namespace, *, seed: int
) -> tuple[Counter[str], bool]:
    """How often each status was answered, and whether a check failed."""
    with tempfile.NamedTemporaryFile("r") as counted:
        environment = {
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "FUZZ_SESSION": f"http://{ADDRESS}:{port}/fuzz/{role}",
            "FUZZ_COUNTED": counted.name,
        }
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            "--config-file",
            str(CONFIG),
            "--no-color",
            "run",
            str(DESCRIPTION),
        ]
        command += ["--url", f"http://{ADDRESS}:{port}", "--seed", str(seed)]
        command += ["--phases", options.phases, "--max-examples", str(options.examples)]
        command += ["--checks", "all", "--generation-database", "none", "--warnings", "off"]
        finished = subprocess.run(
            command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False
        )
        # All at once, for the roles run beside each other.
        print(f"{role}:\n{finished.stdout}", flush=True)
        return Counter(json.load(counted)), finished.returncode != 0


if __name__ == "__main__":
    main()
