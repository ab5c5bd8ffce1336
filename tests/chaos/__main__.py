"""One run of the chaos rig. Exit status 0 when every promise was kept, 1 when one was not, 2 when void."""

import argparse
import json
import secrets
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.folder import only_user_of, prepare_folder, socket_folder
from finetuning.embedded.supervisor import Stopped, Supervisor
from tests.chaos import history, judge
from tests.chaos.nemesis import Nemesis, Void, count_hits, deal
from tests.chaos.provider import AMBIGUOUS, FAULT_MARK
from tests.chaos.stack import Places, Stack, free_port

# Two of the longest back-offs, a lease, and a training: what is not done by then is stuck.
REST_CEILING_SECONDS = 180
PROGRESS_EVERY = 25

UNFINISHED = """
SELECT (SELECT count(*) FROM fine_tuning_jobs WHERE status NOT IN ('succeeded', 'failed', 'cancelled'))
     + (SELECT count(*) FROM fine_tuning_datasets WHERE status = 'processing')
"""


def main() -> int:
    """Run as the command line says; returns the exit status."""
    options = _parse()
    stop_asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    shutil.rmtree(options.data, ignore_errors=True)
    print(
        f"Seed {options.seed}. Again: make chaos SEED={options.seed} KILLS={options.kills} JOBS={options.jobs}"
    )
    try:
        folder = prepare_folder(options.data)
        with only_user_of(folder), socket_folder(folder) as sockets:
            places = Places(
                folder=folder,
                sockets=sockets,
                provider_port=free_port(),
                web_ports=(free_port(), free_port()),
            )
            supervisor = Supervisor(folder=folder, stop_asked=stop_asked, say=_say)
            stack = Stack(supervisor, places, seed=options.seed)
            try:
                return _run(options, stack)
            finally:
                stack.stop()
                supervisor.stop()
    except (StartRefused, Stopped, Void) as error:
        print(f"Void: {error}", file=sys.stderr)
        return 2


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--datasets", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--data", type=Path, default=Path(".data-chaos"), help="emptied first, kept after")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)


def _run(options: argparse.Namespace, stack: Stack) -> int:
    folder = stack.places.folder
    stack.start()
    with psycopg.connect(stack.places.database_url) as database:
        history.record(database)
    nemesis = Nemesis(stack, seed=options.seed, journal=folder / "kills.jsonl")
    clients = stack.launch_clients(*_client_arguments(options, stack.places))
    for number, kind in enumerate(deal(options.kills, options.seed), start=1):
        nemesis.strike(kind)
        if number % PROGRESS_EVERY == 0:
            _say(f"{number} kills")
    nemesis.release_all()
    rest_seconds = _come_to_rest(stack, clients)
    if clients.exit_code != 0:
        _say(f"Not everything that was asked for was accepted; the clients' log is {clients.log}.")
    is_clean = _judge(options, stack, rest_seconds)
    return 0 if is_clean and clients.exit_code == 0 else 1


def _client_arguments(options: argparse.Namespace, places: Places) -> list[str]:
    folder = places.folder
    arguments = {
        "--sign-in": folder / "sign-in.json",
        "--journal": folder / "kills.jsonl",
        "--accepted": folder / "accepted.jsonl",
        "--kills": options.kills,
        "--jobs": options.jobs,
        "--datasets": options.datasets,
        "--seed": options.seed,
    }
    pairs = [*[("--web", url) for url in places.web_urls], *arguments.items()]
    return [str(word) for pair in pairs for word in pair]


def _come_to_rest(stack, clients) -> float:
    """Wait, by rows and with a ceiling, until nothing is left to do; returns the seconds that took."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < REST_CEILING_SECONDS:
        stack.tend()
        if clients.exit_code is not None and _unfinished(stack.places.database_url) == 0:
            break
        time.sleep(0.5)
    return waited


def _unfinished(url: str) -> int | None:
    """How many jobs and datasets have not ended; None while the database comes up."""
    try:
        with psycopg.connect(url, connect_timeout=5) as database:
            return database.execute(UNFINISHED).fetchone()[0]
    except psycopg.OperationalError:
        return None


def _judge(options: argparse.Namespace, stack: Stack, rest_seconds: float) -> bool:
    folder = stack.places.folder
    answers = [json.loads(line) for line in (folder / "accepted.jsonl").read_text().splitlines()]
    accepted = [answer["id"] for answer in answers if answer["kind"] == "job"]
    with psycopg.connect(stack.places.database_url) as database:
        changes = history.read(database)
        verdict = judge.judge(
            accepted=accepted,
            jobs=(jobs := judge.read_jobs(database)),
            runs=judge.read_ledger(stack.places.ledger_url),
            examples={answer["id"]: answer["examples"] for answer in answers if answer["kind"] == "dataset"},
            datasets=judge.read_datasets(database),
            history=history.violations(changes),
        )
    history.keep(changes, folder / "history.jsonl")
    kills = [json.loads(line) for line in (folder / "kills.jsonl").read_text().splitlines()]
    faults = _faults(folder / "logs" / "provider.log")
    figures = {"accepted": len(accepted), "kills": len(kills), **verdict.counts}
    figures |= count_hits(folder / "logs", options.kills)
    figures |= {
        "ambiguous_creates": sum(count for fault, count in faults.items() if fault in AMBIGUOUS),
        "seconds_to_rest": round(rest_seconds, 1),
        "seed": options.seed,
    }
    _report(
        figures,
        verdict,
        kinds=[
            ("Kills", Counter(kill["kind"] for kill in kills)),
            ("Faulty creates", faults),
            ("Jobs", Counter(job.status for job in jobs)),
        ],
    )
    return verdict.is_clean


def _faults(log: Path) -> Counter[str]:
    lines = log.read_text().splitlines()
    return Counter(line.removeprefix(FAULT_MARK) for line in lines if line.startswith(FAULT_MARK))


def _report(figures, verdict, *, kinds) -> None:
    for title, counts in kinds:
        _say(f"{title:<16} " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    for promise, found in vars(verdict).items():
        for id, wrong in found.items():
            _say(f"{promise:<16} {id}: {wrong}")
    for name, figure in figures.items():
        _say(f"{name:<24} {figure:>8}")
    _say(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(main())
