"""What the gateway adds to a call of a model, beside LiteLLM's proxy, in the same run.

`make bench-gateway` runs it on a PostgreSQL of its own. One provider that answers at once is asked directly,
through the gateway and through LiteLLM, in turns. Each proxy is one process on one core; the provider and the
clients have the others. LiteLLM is installed into a temporary environment, or `--litellm` names one. The last
line is JSON; `added` is against the direct call, by one client at a time, and figures of streams have `stream`:

- `added_ms_p50`, `added_ms_p99`                    through the gateway
- `litellm_added_ms_p50`, `litellm_added_ms_p99`    through LiteLLM
- `rps`, `litellm_rps`                              answers a second to 16 clients
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import django

from finetuning.embedded.launcher import ADDRESS, CODE
from tests.bench.harness import listens
from tests.chaos.stack import free_port
from tests.waiting import wait_until

os.environ |= {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": "of-no-value-and-only-for-this-measurement-0123456789abcdef",
    "SERVED_OVER_HTTPS": "false",
    "LOG_LEVEL": "WARNING",
}
LITELLM = "litellm[proxy]==1.108.7"
LITELLM_KEY = "sk-of-no-value"
CLIENTS = 16
MODEL = "real-model"
PROXY_CORE, OTHER_CORES = {0}, set(range(1, os.cpu_count() or 1)) or {0}


class Connection:
    """One kept connection. Knows just enough of HTTP to find the end of an answer."""

    def __init__(self, port):
        self.socket = socket.create_connection((ADDRESS, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        self.socket.sendall(request)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self.more()
        head = answer[:end].lower()
        assert head.startswith(b"http/1.1 200"), answer
        if b"chunked" in head:
            while not answer.endswith(b"0\r\n\r\n"):
                answer += self.more()
            assert b"[DONE]" in answer
        else:
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            while len(answer) < end + 4 + size:
                answer += self.more()

    def more(self):
        piece = self.socket.recv(65536)
        assert piece, "the connection was closed"
        return piece


class Target:
    """Where the same call is sent, and how long it took."""

    def __init__(self, name, port, key, path):
        self.name, self.port = name, port
        self.latencies = {False: [], True: []}
        self.counts = {False: [0, 0.0], True: [0, 0.0]}
        self.requests = {streamed: self.request(key, path, streamed) for streamed in (False, True)}

    def request(self, key, path, streamed):
        messages = [{"role": "system", "content": "You help. " * 50}, {"role": "user", "content": "Hi"}]
        body = json.dumps({"model": MODEL, "messages": messages, "stream": streamed}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json"
        return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def measure_latency(self, streamed, requests):
        connection = Connection(self.port)
        for _ in range(requests):
            began = time.perf_counter()
            connection.ask(self.requests[streamed])
            self.latencies[streamed].append(time.perf_counter() - began)

    def measure_rate(self, streamed, requests):
        def ask(connection):
            for _ in range(requests // CLIENTS):
                connection.ask(self.requests[streamed])

        connections = [Connection(self.port) for _ in range(CLIENTS)]
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(ask, connections))
        count = self.counts[streamed]
        count[0] += requests // CLIENTS * CLIENTS
        count[1] += time.perf_counter() - began

    def forget(self):
        self.latencies = {False: [], True: []}
        self.counts = {False: [0, 0.0], True: [0, 0.0]}

    def percentile(self, streamed, percent):
        return 1000 * quantiles(self.latencies[streamed], n=100)[percent - 1]

    def rate(self, streamed):
        requests, seconds = self.counts[streamed]
        return requests / seconds


@contextmanager
def log_on_failure(log):
    try:
        yield
    except SystemExit:
        print(log.read_text()[-3000:])
        raise


@contextmanager
def process(argv, *, cores, port, log, environment):
    """A server of its own on `cores`, answering on `port`."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(word) for word in argv],
            cwd=CODE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        os.sched_setaffinity(server.pid, cores)
        try:
            with log_on_failure(log):
                wait_until(lambda: listens(port, server))
            yield
        finally:
            server.terminate()
            server.wait()


def install_litellm(folder):
    """LiteLLM's proxy in an environment that goes with `folder`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (pip,) = (CODE / ".bootstrap").glob("pip-*.whl")
    subprocess.run([folder / "bin" / "python", pip / "pip", "install", "-q", LITELLM], check=True)
    return folder


def make_key(provider_port):
    """An agent's key, in an organization whose provider is the one on that port."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from models_registry import api_keys
    from tests.factories import (
        FineTunedModelFactory,
        JobFactory,
        OrganizationFactory,
        ProviderAccountFactory,
        UserFactory,
    )

    organization = OrganizationFactory()
    url = f"http://{ADDRESS}:{provider_port}/v1"
    account = ProviderAccountFactory(organization=organization, kind="compatible", base_url=url)
    account.set_api_key("sk-of-no-value")
    account.save()
    job = JobFactory(organization=organization, provider_account=account, status="succeeded")
    FineTunedModelFactory(organization=organization, job=job, deployed=True, provider_model_id=MODEL)
    return api_keys.issue_key(organization, by=UserFactory(member_of=organization), name="Bench")[1]


def litellm_config(folder, provider_port):
    path = folder / "litellm.json"
    parameters = {
        "model": f"openai/{MODEL}",
        "api_base": f"http://{ADDRESS}:{provider_port}/v1",
        "api_key": "sk-of-no-value",
    }
    path.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
                "general_settings": {"master_key": LITELLM_KEY},
            }
        )
    )
    return path


def start_targets(stack, folder, litellm):
    """Start everything; the three targets."""
    provider, gateway, proxy = free_port(), free_port(), free_port()
    # LiteLLM would take our database for its own.
    without_ours = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    uvicorn = (sys.executable, "-m", "uvicorn", "config.asgi:application", "--lifespan", "on")
    servers = [
        ((sys.executable, "-m", "tests.bench.chat_provider", provider), OTHER_CORES, provider, os.environ),
        (
            (*uvicorn, "--host", ADDRESS, "--port", gateway, "--no-access-log"),
            PROXY_CORE,
            gateway,
            os.environ | {"GATEWAY_FOLDER": str(folder / "usage")},
        ),
        (
            (
                *(litellm / "bin" / "litellm", "--config", litellm_config(folder, provider)),
                *("--host", ADDRESS, "--port", proxy, "--num_workers", "1"),
            ),
            PROXY_CORE,
            proxy,
            without_ours | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
        ),
    ]
    for argv, cores, port, environment in servers:
        log = folder / f"{port}.log"
        stack.enter_context(process(argv, cores=cores, port=port, log=log, environment=environment))
    key = make_key(provider)
    path = "/v1/chat/completions"
    return [
        Target("direct", provider, "none", path),
        Target("gateway", gateway, key, path),
        Target("litellm", proxy, LITELLM_KEY, path),
    ]


def figures(direct, gateway, litellm):
    found = {}
    for streamed in (False, True):
        mark = "stream_" if streamed else ""
        for prefix, target in (("", gateway), ("litellm_", litellm)):
            for percent in (50, 99):
                added = target.percentile(streamed, percent) - direct.percentile(streamed, percent)
                found[f"{mark}{prefix}added_ms_p{percent}"] = round(added, 2)
            found[f"{mark}{prefix}rps"] = round(target.rate(streamed), 1)
        found[f"{mark}direct_rps"] = round(direct.rate(streamed), 1)
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=320, help="for each figure in each round")
    parser.add_argument("--litellm", type=Path, help="an environment that has LiteLLM's proxy")
    options = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    with TemporaryDirectory(prefix="attune-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        targets = start_targets(stack, folder, options.litellm or install_litellm(folder / "litellm"))
        for number in range(options.rounds + 1):
            for streamed in (False, True):
                for target in targets:
                    target.measure_latency(streamed, options.requests)
                    target.measure_rate(streamed, options.requests)
            if number == 0:
                for target in targets:
                    target.forget()
    for target in targets:
        for streamed in (False, True):
            print(
                f"{target.name:<8} {'stream' if streamed else 'whole':<7}"
                f"{target.percentile(streamed, 50):>8.2f} ms p50{target.percentile(streamed, 99):>9.2f} ms p99"
                f"{target.rate(streamed):>9.1f} requests/s"
            )
    print(json.dumps(figures(*targets)))


if __name__ == "__main__":
    main()
