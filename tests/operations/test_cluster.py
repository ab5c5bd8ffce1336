"""The main job while each part of a cluster is killed: nothing is lost, and nothing is done twice."""

import json
import threading
from contextlib import ExitStack, contextmanager
from itertools import count
from uuid import uuid4

import httpx2
import pytest

from tests.operations.stack import running_stack
from tests.waiting import wait_until

EXAMPLES = 20
FINAL = ("succeeded", "failed", "cancelled")
# Of the main job: upload, validate, start, run, end, deploy.
STEPS, ACCEPTED = 6, 3


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


class Client:
    """Somebody who asks again until there is an answer, with the same key, as the API's guide says."""

    def __init__(self, stack):
        self.stack = stack
        self.access = ""
        self.faults = []

    def send(self, method, path, **content):
        key = str(uuid4())
        return wait_until(lambda: self._try(method, path, key, content), seconds=600)

    def _try(self, method, path, key, content):
        self.stack.tend()
        try:
            if not self.access:
                signed_in = httpx2.post(f"{self.stack.url}/api/auth/token", json=self.stack.account)
                self.access = signed_in.raise_for_status().json()["access"]
            headers = {"Authorization": f"Bearer {self.access}", "Idempotency-Key": key}
            url = f"{self.stack.url}/api/fine-tuning/{path}"
            answer = httpx2.request(method, url, headers=headers, timeout=30, **content)
        except httpx2.HTTPError:
            return None
        if answer.is_server_error or answer.json().get("code") == "idempotency_key_in_use":
            self.faults.append((answer.status_code, answer.json().get("code")))
            return None
        assert answer.is_success, answer.text
        return answer.json()

    def upload(self):
        lines = [
            {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}."}]}
            for n in range(EXAMPLES)
        ]
        file = ("a.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
        return self.send("POST", "datasets", data={"name": str(uuid4())}, files={"file": file})["id"]

    def wait_for(self, path, *statuses):
        def arrived():
            found = self.send("GET", path)
            return found if found["status"] in statuses else None

        return wait_until(arrived, seconds=600)


@pytest.fixture
def client(stack):
    return Client(stack)


def do_the_main_job(client, disturbed):
    """Upload, validate, train, register and deploy, each step while `disturbed()`; what came of it."""
    with disturbed():
        dataset = client.upload()
    with disturbed():
        read = client.wait_for(f"datasets/{dataset}", "valid", "invalid")
    with disturbed():
        body = {"name": "Support", "datasetId": dataset, "baseModel": "gpt-4.1-mini"}
        job = client.send("POST", "jobs", json=body)["id"]
    with disturbed():
        client.wait_for(f"jobs/{job}", "running", *FINAL)
    with disturbed():
        done = client.wait_for(f"jobs/{job}", *FINAL)
    with disturbed():
        model = client.send("POST", f"models/{done['resultModelId']}/deploy", json={"agentId": "support"})
    return read, done, model


def check(stack, client, read, done, model):
    models = [one for one in client.send("GET", "models?limit=100")["data"] if one["job"]["id"] == done["id"]]
    assert (read["status"], read["totalExamples"]) == ("valid", EXAMPLES)
    assert (done["status"], done["progressPercentage"]) == ("succeeded", 100)
    assert [one["id"] for one in models] == [model["id"]]
    assert model["deployed"]
    assert stack.sandbox.ledger()["references"][done["id"]]["creates"] == 1
    assert [fault for fault in client.faults if fault[0] == 500] == []


@pytest.mark.parametrize("name", ["web-1", "web-2", "worker-1", "worker-2", "replica"])
def test_goes_on_without_any_part_that_there_is_twice(stack, client, name):
    steps = count(1)
    with ExitStack() as exits:

        @contextmanager
        def killed_on_the_way():
            """It dies when the job has just been accepted, and stays away until the end."""
            yield
            if next(steps) == ACCEPTED:
                stack.parts[name].kill()
                exits.callback(stack.parts[name].start)

        results = do_the_main_job(client, killed_on_the_way)

    check(stack, client, *results)


@pytest.mark.parametrize("name", ["primary", "valkey", "s3", "beat"])
def test_goes_on_after_any_part_was_killed_at_any_step(stack, client, name):
    kills = count()

    @contextmanager
    def killed():
        """The part is killed before the step, and comes back while the step is under way."""
        stack.parts[name].kill()
        next(kills)
        back = threading.Thread(target=stack.parts[name].start)
        back.start()
        try:
            yield
        finally:
            back.join()

    results = do_the_main_job(client, killed)

    assert next(kills) == STEPS
    check(stack, client, *results)
