"""The gateway's count under kills: `make gateway-kills`. Exit status 0 when it was exact, 1 when it was not.

Two gateways, a worker and PostgreSQL are killed again and again while 1,000 calls are made, half of them
streamed. Each call has a key of its own, so the usage tells of each call alone: one that the application saw
succeed is counted once, with its tokens; one that broke off is counted at most once.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.folder import prepare_folder, socket_folder
from finetuning.embedded.launcher import ADDRESS, CODE, answers, child_environment
from finetuning.embedded.postgres import start_postgres
from finetuning.embedded.processes import Child, Command
from finetuning.embedded.services import database_url, redis_url
from finetuning.embedded.supervisor import Supervisor
from finetuning.embedded.valkey import start_valkey
from tests.chaos.stack import children_of, free_port
from tests.gateway.upstream import Upstream, completion, delta, event, serve

MODEL, AGENT = "real-model", "support-bot"
USAGE = completion()["usage"]
CLIENTS = 8
PIECES = 12
REST_CEILING_SECONDS = 60


class Slowly:
    """The pieces of a stream, one every few milliseconds, so that kills strike in the middle."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def __iter__(self):
        for piece in self.pieces:
            time.sleep(0.005)
            yield piece


@dataclass
class Stack:
    supervisor: Supervisor
    environment: dict
    ports: tuple[int, ...]
    children: dict[str, Child] = field(default_factory=dict)
    kills: Counter = field(default_factory=Counter)

    def start(self, sockets):
        start_postgres(self.supervisor, sockets=sockets)
        start_valkey(self.supervisor, sockets=sockets)
        self.children["postgres"] = self.supervisor.child("postgres")
        self.supervisor.run_to_end(self.python("prepare", "manage.py", "prepare"))
        for number, port in enumerate(self.ports, start=1):
            where = ("--host", ADDRESS, "--port", str(port), "--lifespan", "on", "--no-access-log")
            self.launch(self.python(f"gateway-{number}", "-m", "uvicorn", "config.asgi:application", *where))
        self.launch(self.python("worker", "-m", "celery", "-A", "config", "worker", "--concurrency", "1"))
        for port in self.ports:
            self.supervisor.wait_for(
                self.children["gateway-1"], ready=lambda port=port: answers(port, "/healthz")
            )

    def python(self, name, *arguments):
        argv = (sys.executable, *arguments)
        return Command(name=name, argv=argv, environment=self.environment, folder=CODE)

    def launch(self, command):
        self.children[command.name] = self.supervisor.launch(command)

    def kill(self, name):
        """Kill the program and all that it has started, and start it again."""
        child = self.children[name]
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGSTOP)
            for pid in (child.pid, *children_of(child.pid)):
                os.kill(pid, signal.SIGKILL)
        child.wait(60)
        child.kill_group()
        self.kills[name.partition("-")[0]] += 1
        self.launch(child.command)


@dataclass
class Application:
    """Makes one call for each key and remembers how it ended."""

    urls: list[str]
    done: Counter = field(default_factory=Counter)
    succeeded: set = field(default_factory=set)
    broken: set = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, key_id, clear, number):
        """Sent again only when no gateway can have taken it."""
        while True:
            try:
                outcome = self.attempt(clear, number)
            except httpx2.ConnectError:
                outcome = "unreachable"
            except httpx2.TransportError:
                outcome = "broken"
            with self.lock:
                self.done[outcome] += 1
            if outcome not in {"unreachable", "unavailable"}:
                (self.succeeded if outcome == "succeeded" else self.broken).add(key_id)
                return
            time.sleep(0.1)

    def attempt(self, clear, number):
        body = {
            "model": AGENT,
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": bool(number % 2),
        }
        url = f"{random.choice(self.urls)}/v1/chat/completions"
        answer = httpx2.post(url, json=body, headers={"Authorization": f"Bearer {clear}"}, timeout=60)
        if answer.status_code == 503 and "gateway_unavailable" in answer.text:
            return "unavailable"
        if answer.status_code != 200:
            return f"status {answer.status_code}"
        is_whole = answer.text.endswith("data: [DONE]\n\n") if number % 2 else answer.json()["usage"] == USAGE
        return "succeeded" if is_whole else "broken"


def make_rows(url, calls):
    """An agent at the provider, and a key for each call."""
    import django

    django.setup()
    from models_registry import api_keys
    from tests.factories import (
        FineTunedModelFactory,
        JobFactory,
        OrganizationFactory,
        ProviderAccountFactory,
        UserFactory,
    )

    organization = OrganizationFactory(name="Acme")
    member = UserFactory(member_of=organization)
    account = ProviderAccountFactory(organization=organization, kind="compatible", base_url=url)
    account.set_api_key("sk-of-the-provider")
    account.save()
    job = JobFactory(organization=organization, provider_account=account, status="succeeded")
    model = FineTunedModelFactory(organization=organization, job=job, deployed=True, provider_model_id=MODEL)
    organization.agents.create(name=AGENT, model=model)
    return model, [api_keys.issue_key(organization, by=member, name=str(one)) for one in range(calls)]


def judge(model, application):
    """What is wrong, in words; nothing when the count is exact."""
    from models_registry.models import UsageDay

    rows = UsageDay.objects.values_list("api_key_id", "requests", "prompt_tokens", "completion_tokens")
    counted, tokens = Counter(), {}
    for key_id, requests, prompt, completed in rows:
        counted[key_id] += requests
        tokens[key_id] = (prompt, completed)
    expected = (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    model.refresh_from_db()
    return {
        "lost": sum(counted[key] == 0 for key in application.succeeded),
        "doubled": sum(count > 1 for count in counted.values()),
        "wrong_tokens": sum(counted[key] > 0 and tokens[key] != expected for key in application.succeeded),
        "model_disagrees": int(model.total_requests != counted.total()),
    }, counted.total()


def run(options, stack, upstream):
    model, keys = make_rows(upstream.url, options.calls)
    application = Application([f"http://{ADDRESS}:{port}" for port in stack.ports])
    dice = random.Random(options.seed)
    names = [name for name in stack.children for _ in range(options.kills)]
    dice.shuffle(names)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number, (key, clear) in enumerate(keys):
            pool.submit(application.call, key.pk, clear, number)
        for position, name in enumerate(names[: options.kills], start=1):
            due = position * options.calls // (options.kills + 1)
            while len(application.succeeded) + len(application.broken) < due:
                time.sleep(0.01)
            stack.kill(name)
    come_to_rest(stack)
    wrong, counted = judge(model, application)
    figures = {
        "calls": options.calls,
        "kills": dict(stack.kills),
        "succeeded": len(application.succeeded),
        "broken": len(application.broken),
        "attempts": dict(application.done),
        "counted": counted,
        **wrong,
        "seed": options.seed,
    }
    print(json.dumps(figures))
    return int(any(wrong.values()))


def come_to_rest(stack):
    """Until no file of calls is left. Our own connection broke with the first kill of the database."""
    from django.db import connections

    connections.close_all()
    folder = Path(stack.environment["GATEWAY_FOLDER"])
    give_up_at = time.monotonic() + REST_CEILING_SECONDS
    while any(folder.glob("*.calls")) and time.monotonic() < give_up_at:
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.kills", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    upstream = Upstream()
    pieces = [delta("word ")] * PIECES
    last = event({"object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    upstream.either(MODEL, completion(), Slowly(*pieces, last, event(b"[DONE]")))
    with (
        TemporaryDirectory(prefix="attune-kills-") as name,
        socket_folder(folder := prepare_folder(Path(name))) as sockets,
        serve(upstream) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = child_environment(folder, free_port()) | {
            "DATABASE_URL": database_url(sockets),
            "REDIS_URL": redis_url(sockets),
        }
        os.environ |= environment
        supervisor = Supervisor(folder=folder, stop_asked=threading.Event(), say=lambda _: None)
        stack = Stack(supervisor, environment, (free_port(), free_port()))
        try:
            stack.start(sockets)
            return run(options, stack, upstream)
        except StartRefused as error:
            print(f"Void: {error}", file=sys.stderr)
            return 2
        finally:
            supervisor.stop()


if __name__ == "__main__":
    sys.exit(main())
