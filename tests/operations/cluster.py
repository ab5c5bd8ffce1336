"""A PostgreSQL primary and its streaming replica, as an operator has them, in a folder of their own."""

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import psycopg

from finetuning.embedded.postgres import CLEAN_ENVIRONMENT, USER, account_for, find_programs
from tests.waiting import wait_until


@dataclass
class Server:
    """One PostgreSQL server, which can be stopped, killed and started again."""

    name: str
    cluster: "Cluster"
    process: "subprocess.Popen | None" = None

    @property
    def folder(self):
        return self.cluster.home / self.name

    @property
    def sockets(self):
        return self.cluster.home / f"{self.name}-sockets"

    @property
    def url(self):
        return f"postgres://{USER}@{quote(str(self.sockets), safe='')}/postgres"

    def start(self):
        options = ["listen_addresses=", f"unix_socket_directories={self.sockets}", "wal_level=replica"]
        flags = [argument for option in options for argument in ("-c", option)]
        self.process = self.cluster.popen("postgres", "-D", self.folder, *flags)
        wait_until(self.answers)

    def answers(self):
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()

    def query(self, statement, *parameters):
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchone()


@dataclass
class Cluster:
    home: Path
    primary: Server = field(init=False)
    replica: Server = field(init=False)

    def __post_init__(self):
        self.account = account_for(self.home)
        self.programs = find_programs(self.home, self.account).folder
        self.primary, self.replica = Server("primary", self), Server("replica", self)
        for server in (self.primary, self.replica):
            self.make_private(server.sockets)

    def make_private(self, folder):
        folder.mkdir(mode=0o700)
        if self.account:
            os.chown(folder, self.account.user_id, self.account.group_id)

    def popen(self, program, *arguments):
        identity = {}
        if self.account:
            identity = {"user": self.account.user_id, "group": self.account.group_id, "extra_groups": []}
        return subprocess.Popen(
            [self.programs / program, *map(str, arguments)],
            env=CLEAN_ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,
        )

    def start(self):
        self.make_private(self.primary.folder)
        initdb = ("-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        assert self.popen("initdb", "-D", self.primary.folder, *initdb).wait() == 0
        self.primary.start()
        self.make_private(self.replica.folder)
        copy = ("--pgdata", self.replica.folder, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        assert self.popen("pg_basebackup", "--dbname", self.primary.url, *copy).wait() == 0
        self.replica.start()


@contextmanager
def streaming_cluster():
    """Primary and replica, running; both are gone afterwards."""
    # The path of a socket may have 107 bytes, which pytest's own folders use up.
    home = Path(mkdtemp(prefix="attune-test-"))
    home.chmod(0o755)
    cluster = Cluster(home)
    try:
        cluster.start()
        yield cluster
    finally:
        for server in (cluster.replica, cluster.primary):
            if server.process and server.process.poll() is None:
                server.stop(signal.SIGQUIT)
        shutil.rmtree(home)
