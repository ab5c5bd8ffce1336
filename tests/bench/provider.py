"""A provider that holds very many running runs and does nothing else: lists of runs, runs, and their events.

Each key is an account of its own. The run `ftjob-7` of account 3 is `ftjob-3-7`.
"""

import argparse
import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, urlsplit

CALLS = Counter()
LOCK = Lock()
JOBS = "/v1/fine_tuning/jobs"


def run(account, number):
    return {
        "id": f"ftjob-{account}-{number}",
        "object": "fine_tuning.job",
        "created_at": 1_795_000_000 - int(number),
        "finished_at": None,
        "status": "running",
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": f"file-{account}-{number}",
        "validation_file": None,
        "fine_tuned_model": None,
        "trained_tokens": None,
        "error": {},
        "metadata": {"ft_job": f"{account}-{number}"},
        "hyperparameters": {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.8},
        "result_files": [],
        "seed": 1,
    }


def event(run_id):
    measured = {"step": 10, "total_steps": 100, "train_loss": 1.5}
    return {
        "id": f"ftevent-{run_id}",
        "object": "fine_tuning.job.event",
        "created_at": 1_795_000_000,
        "level": "info",
        "type": "metrics",
        "message": "Step 10/100: training loss=1.50",
        "data": measured,
    }


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    jobs_per_account = 0

    def do_GET(self):
        url = urlsplit(self.path)
        account = self.headers.get("authorization", "").rpartition("-")[2]
        if url.path == "/calls":
            return self.answer(dict(CALLS))
        with LOCK:
            CALLS["list" if url.path == JOBS else "other"] += 1
        if url.path == JOBS:
            return self.answer(self.page(account, parse_qs(url.query)))
        run_id, _, rest = url.path.removeprefix(JOBS + "/").partition("/")
        if rest == "events":
            return self.answer({"object": "list", "data": [event(run_id)], "has_more": False})
        return self.answer(run(*run_id.split("-")[1:3]) | {"id": run_id})

    def page(self, account, query):
        after = query.get("after", [f"ftjob-{account}--1"])[0]
        start = int(after.removeprefix(f"ftjob-{account}-")) + 1
        end = min(start + int(query.get("limit", ["20"])[0]), self.jobs_per_account)
        rows = [run(account, number) for number in range(start, end)]
        return {"object": "list", "data": rows, "has_more": end < self.jobs_per_account}

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    """Print the port and serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.provider", description=__doc__)
    parser.add_argument("--jobs-per-account", type=int, required=True)
    Provider.jobs_per_account = parser.parse_args().jobs_per_account
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
