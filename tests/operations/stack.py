"""The product as an operator runs it: each part a process of its own, which can be killed and started again."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import redis
from moto.server import ThreadedMotoServer

from finetuning.embedded.valkey import find_program
from tests.conftest import Sandbox, running_sandbox
from tests.operations.cluster import streaming_cluster
from tests.operations.web import CODE, SECRET_KEY, answers, first_owner, free_port
from tests.waiting import wait_until

ADDRESS = "127.0.0.1"
BUCKET = "attune"
# Time is compressed, and one owner does here in minutes what takes others a year.
COMPRESSED = {
    "POLL_INTERVAL_SECONDS": "1",
    "PROVIDER_TIMEOUT_SECONDS": "2",
    "CREATE_SETTLE_SECONDS": "5",
    "MAX_BACK_OFF_SECONDS": "2",
    # What a reader had claimed that lost its database is free again after this time.
    "TASK_TIME_LIMIT_SECONDS": "20",
    "REPLICA_RETRY_SECONDS": "1",
    "UPLOADS_PER_HOUR": "1000000",
    "JOBS_PER_HOUR": "1000000",
    "REQUESTS_PER_MINUTE": "1000000",
}


@dataclass
class Process:
    """A command in a process group of its own. `is_ready` says when it can do its work; while it is `away`,
    nobody but the test starts it again.
    """

    argv: tuple
    environment: dict
    log: Path
    is_ready: "object"
    process: "subprocess.Popen | None" = None
    away: bool = True

    def start(self):
        self.log.write_bytes(b"")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in self.argv],
                cwd=CODE,
                env=os.environ | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.is_ready, seconds=600)
        self.away = False

    def kill(self):
        self.away = True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Database:
    """A server of the cluster, under the words that all parts have."""

    server: "object"

    def start(self):
        self.server.start()

    def kill(self):
        self.server.stop(signal.SIGQUIT)


class ObjectStore:
    """An S3 server. While it is away nobody listens on its port; what it stores stays."""

    def __init__(self):
        self.port = free_port()

    @property
    def url(self):
        return f"http://{ADDRESS}:{self.port}"

    def start(self):
        self.server = ThreadedMotoServer(ip_address=ADDRESS, port=self.port, verbose=False)
        self.server.start()

    def kill(self):
        self.server.stop()
        self.server._server.server_close()

    def client(self):
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.url, **keys)


class Balancer:
    """Hands each connection to the next of `ports` that takes it."""

    def __init__(self, ports):
        self.ports = list(ports)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        serving = asyncio.start_server(self._serve, ADDRESS, 0)
        self.server = asyncio.run_coroutine_threadsafe(serving, self.loop).result()
        return f"http://{ADDRESS}:{self.server.sockets[0].getsockname()[1]}"

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _close(self):
        self.server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _serve(self, reader, writer):
        with closing(writer):
            for _ in self.ports:
                self.ports.append(port := self.ports.pop(0))
                try:
                    upstream, sink = await asyncio.open_connection(ADDRESS, port)
                except OSError:
                    continue
                with closing(sink):
                    await asyncio.gather(_pass_on(reader, sink), _pass_on(upstream, writer))
                return


async def _pass_on(source, target):
    try:
        while block := await source.read(65_536):
            target.write(block)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


@dataclass
class Stack:
    """All parts by their names, the address of the balancer, and the provider's memory."""

    url: str
    account: dict
    sandbox: Sandbox
    parts: dict = field(default_factory=dict)

    def tend(self):
        """Start again what has ended by itself, as Beat does without its database; so every supervisor does."""
        for part in self.parts.values():
            if isinstance(part, Process) and not part.away and part.process.poll() is not None:
                part.start()


def valkey(folder):
    """Valkey, which keeps what it accepted."""
    port = free_port()
    argv = (find_program(), "--port", port, "--bind", ADDRESS, "--dir", folder, "--appendonly", "yes")

    def is_ready():
        try:
            return redis.Redis(port=port).ping()
        except redis.RedisError:
            return False

    return Process(argv, {}, folder / "valkey.log", is_ready), f"redis://{ADDRESS}:{port}/0"


def web(name, environment, folder):
    """A web process and its port."""
    port = free_port()
    where = ("--port", port, "--lifespan", "on", "--no-access-log", "--no-proxy-headers")
    argv = (sys.executable, "-m", "uvicorn", "config.asgi:application", *where)
    own = environment | {"GATEWAY_FOLDER": str(folder / f"usage-{name}")}
    return Process(argv, own, folder / f"{name}.log", lambda: answers(port)), port


def celery(name, environment, folder, mark, *arguments):
    """A worker or Beat, ready when its log says `mark`."""
    argv = (sys.executable, "-m", "celery", "-A", "config", *arguments, "--loglevel", "INFO")
    log = folder / f"{name}.log"
    return Process(argv, environment, log, lambda: mark in log.read_text(errors="replace"))


def worker(name, environment, folder):
    one = ("--concurrency", "1", "--without-mingle", "--hostname", f"{name}@%h")
    return celery(name, environment, folder, " ready.", "worker", *one)


@contextmanager
def running_stack(folder):
    """Two web processes and two workers behind a balancer, and all that they need."""
    with ExitStack() as exits:
        cluster = exits.enter_context(streaming_cluster())
        sandbox = exits.enter_context(running_sandbox(folder / "sandbox", speed=60))
        store, (broker, broker_url) = ObjectStore(), valkey(folder)
        environment = COMPRESSED | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": cluster.primary.url,
            "REPLICA_DATABASE_URL": cluster.replica.url,
            "REDIS_URL": broker_url,
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": store.url,
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": "key",
            "S3_SECRET_KEY": "secret",
            "SANDBOX_URL": sandbox.url,
            "SECRET_KEY": SECRET_KEY,
            "SERVED_OVER_HTTPS": "false",
        }
        store.start()
        exits.callback(store.kill)
        store.client().create_bucket(Bucket=BUCKET)
        broker.start()
        exits.callback(broker.kill)
        account = first_owner(environment, folder)
        (first, one), (second, two) = (web(name, environment, folder) for name in ("web-1", "web-2"))
        processes = {
            "web-1": first,
            "web-2": second,
            "worker-1": worker("worker-1", environment, folder),
            "worker-2": worker("worker-2", environment, folder),
            "beat": celery("beat", environment, folder, "Sending due task", "beat"),
        }
        for process in processes.values():
            process.start()
            exits.callback(process.kill)
        parts = processes | {
            "primary": Database(cluster.primary),
            "replica": Database(cluster.replica),
            "valkey": broker,
            "s3": store,
        }
        url = exits.enter_context(Balancer([one, two]))
        yield Stack(url=url, account=account, sandbox=sandbox, parts=parts)
