"""The clients of a run, in a process of their own: they repeat what was not answered, and note what was.

Each line of the `accepted` file is one answer: `{"kind": "job", "id": ...}`, for a dataset also `examples`.
"""

import argparse
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from uuid import UUID

import httpx2

from tests.waiting import wait_until

CLIENTS = 6
PAUSE_SECONDS = 0.5
ANSWER_SECONDS = 15
CANCELLED_SHARE = 0.1
MAX_CANCEL_DELAY_SECONDS = 8.0
# Training starts while things are killed, and the last job is accepted before the last kill.
SPREAD = 0.95
SMALL, LARGE = 40, 4_000
EVERY_LARGE = 4
LONGEST_RUN_SECONDS = 3_600


class Refused(Exception):
    """An answer that no repetition will change."""


class Api:
    """The product's API as one user sees it: another server and another try until there is an answer."""

    def __init__(self, urls: list[str], sign_in: dict[str, str]) -> None:
        self._urls = cycle(urls)
        self._sign_in = sign_in
        self._access = ""
        self._client = httpx2.Client(timeout=ANSWER_SECONDS, trust_env=False)

    def send(self, path, *, key, **body):
        """POST until something final is said. Raises Refused with the answer's text."""
        while True:
            answer = self._try(path, key, body)
            if answer is not None and answer.is_success:
                return answer.json()
            if answer is not None and answer.status_code == 401:
                self._access = ""
            elif answer is not None and answer.is_client_error and not _is_passing(answer):
                raise Refused(answer.text)
            time.sleep(PAUSE_SECONDS)

    def _try(self, path, key, body):
        url = next(self._urls)
        try:
            if not self._access:
                signed_in = self._client.post(f"{url}/api/auth/token", json=self._sign_in)
                self._access = signed_in.raise_for_status().json()["access"]
            headers = {"Authorization": f"Bearer {self._access}", "Idempotency-Key": key}
            answer = self._client.post(f"{url}/api/fine-tuning/{path}", headers=headers, **body)
        except httpx2.HTTPError as error:
            print(f"{path}: {error!r}", flush=True)
            return None
        if not answer.is_success:
            print(f"{path}: {answer.status_code} {answer.text[:300]}", flush=True)
        return answer


def _is_passing(answer):
    """The dataset is still being read, the request of this key is still under way, or too many were sent."""
    if answer.status_code == 409:
        return answer.json()["code"] in ("dataset_not_trainable", "idempotency_key_in_use")
    return answer.status_code in (408, 425, 429)


class Clients:
    """Everything that is asked for in one run. `kills` and `journal` give the pace."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._datasets: dict[int, str] = {}
        self._uploaded = threading.Condition()

    def run(self) -> None:
        """Return when everything was answered. Raises Refused."""
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            asked = [pool.submit(self._upload_all)]
            asked += [pool.submit(self._start_share, number) for number in range(CLIENTS)]
            for share in asked:
                share.result()

    def _api(self):
        return Api(self.options.web, json.loads(self.options.sign_in.read_text()))

    def _upload_all(self):
        api = self._api()
        for number in range(self.options.datasets):
            self._await_turn(number / self.options.datasets)
            examples = LARGE if number % EVERY_LARGE == EVERY_LARGE - 1 else SMALL
            file = ("file", (f"{number}.jsonl", _training_data(number, examples), "application/jsonl"))
            answer = api.send(
                "datasets", key=_key("dataset", number), data={"name": f"d{number}"}, files=[file]
            )
            self._note(kind="dataset", id=answer["id"], examples=examples)
            with self._uploaded:
                self._datasets[number] = answer["id"]
                self._uploaded.notify_all()

    def _start_share(self, first):
        api = self._api()
        for number in range(first, self.options.jobs, CLIENTS):
            self._await_turn(number / self.options.jobs)
            self._start(api, number)

    def _start(self, api, number):
        choice = random.Random(f"{self.options.seed} {number}")
        body = {
            "name": f"j{number}",
            "datasetId": self._await_dataset(number),
            "baseModel": "gpt-4.1-mini",
            "seed": number,
        }
        job = api.send("jobs", key=_key("job", number), json=body)
        self._note(kind="job", id=job["id"])
        if choice.random() < CANCELLED_SHARE:
            time.sleep(choice.uniform(0, MAX_CANCEL_DELAY_SECONDS))
            self._cancel(api, job["id"])

    def _cancel(self, api, job):
        try:
            api.send(f"jobs/{job}/cancel", key=_key("cancel", job))
        except Refused as refusal:
            print(f"{job} had ended: {refusal}", flush=True)

    def _await_dataset(self, number):
        """A small dataset, the newest that can be there when this job is asked for."""
        newest = number * self.options.datasets // self.options.jobs
        wanted = newest - (newest % EVERY_LARGE == EVERY_LARGE - 1)
        with self._uploaded:
            self._uploaded.wait_for(lambda: wanted in self._datasets)
            return self._datasets[wanted]

    def _await_turn(self, share):
        struck = share * SPREAD * self.options.kills
        wait_until(lambda: _count_lines(self.options.journal) >= struck, seconds=LONGEST_RUN_SECONDS)

    def _note(self, **answer):
        with self._lock, self.options.accepted.open("a") as file:
            file.write(json.dumps(answer) + "\n")


def _training_data(number, examples):
    lines = (
        {
            "messages": [
                {"role": "user", "content": f"What is {place} times {number}?"},
                {"role": "assistant", "content": f"It is {place * number}."},
            ]
        }
        for place in range(examples)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _key(kind, of):
    return str(UUID(bytes=random.Random(f"{kind} {of}").randbytes(16), version=4))


def _count_lines(path):
    return path.read_bytes().count(b"\n")


def main():
    """Ask for everything, once."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.clients", description=__doc__)
    parser.add_argument("--web", action="append", required=True, help="a server's address; repeat for more")
    parser.add_argument("--sign-in", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True, help="a line for each kill so far")
    parser.add_argument("--accepted", type=Path, required=True, help="is written")
    for name in ("kills", "jobs", "datasets", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    options.accepted.touch()
    Clients(options).run()


if __name__ == "__main__":
    main()
