"""The sandbox with faults on a share of its creates: the answer is lost, wrong or late, the effect is not."""

import argparse
import random
import signal
import threading
import time
from pathlib import Path

from finetuning.sandbox.app import SandboxApp
from finetuning.sandbox.errors import ApiError
from finetuning.sandbox.http import json_response
from finetuning.sandbox.server import SandboxServer
from finetuning.sandbox.settings import SandboxSettings

CREATE = ("POST", "/v1/fine_tuning/jobs")
FAULTS = ("answer_lost", "error_after", "late_effect", "late_answer", "error_before", "rate_limited")
# Whether a run was made cannot be told from the answer.
AMBIGUOUS = frozenset(FAULTS) - {"rate_limited"}
FAULT_MARK = "Fault: "


class FaultyProvider(SandboxApp):
    """A sandbox that spoils `share` of its creates. `late_seconds` is longer than its clients wait."""

    def __init__(self, settings: SandboxSettings, *, share: float, late_seconds: float) -> None:
        super().__init__(settings)
        self.share = share
        self.late_seconds = late_seconds
        self._random = random.Random(settings.seed)
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        """Answer one request, by PEP 3333."""
        fault = self._draw() if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == CREATE else None
        if fault == "rate_limited":
            return self._fail(429, start_response)
        if fault == "error_before":
            return self._fail(500, start_response)
        if fault == "late_effect":
            time.sleep(self.late_seconds)
        answer = super().__call__(environ, start_response if fault != "error_after" else _ignore)
        if fault == "answer_lost":
            raise ConnectionAbortedError
        if fault == "late_answer":
            time.sleep(self.late_seconds)
        return self._fail(500, start_response) if fault == "error_after" else answer

    def _draw(self):
        with self._lock:
            if self._random.random() >= self.share:
                return None
            fault = self._random.choice(FAULTS)
            print(FAULT_MARK + fault, flush=True)
            return fault

    def _fail(self, status, start_response):
        response = json_response(ApiError(status, "A fault of the rig.", type="server_error").body(), status)
        start_response(f"{status} Fault", [("Content-Type", response.content_type)])
        return response.body


def _ignore(status, headers):
    """Stands for `start_response` where the true answer is not sent."""


def main():
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--share", type=float, required=True, help="of creates that go wrong, 0 to 1")
    parser.add_argument("--late-seconds", type=float, required=True)
    options = parser.parse_args()
    settings = SandboxSettings(data_dir=options.data, speed=options.speed, seed=options.seed)
    app = FaultyProvider(settings, share=options.share, late_seconds=options.late_seconds)
    server = SandboxServer(app, "127.0.0.1", options.port)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    print("Provider is ready.", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
