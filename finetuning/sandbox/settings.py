"""What a sandbox is told at its start."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dialect = Literal["observed", "spec"]


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """Everything that changes how a sandbox behaves.

    ``data_dir`` holds all state: a SQLite file and the bytes of files. ``speed`` says how many times faster
    than a plausible real training a job runs (``training.duration_seconds`` has the formula). ``seed`` gives
    jobs created without a seed theirs. ``dialect`` is ``observed`` (what the vendor was seen to send) or
    ``spec`` (valid by the SDK's strict types, and every id that is asked for exists). ``allowed_keys`` empty
    means that any key is good. All keys see the same data: the sandbox is one project. ``clock`` returns Unix
    seconds.
    """

    data_dir: Path
    speed: float = 60.0
    seed: int = 0
    dialect: Dialect = "observed"
    webhook_url: str | None = None
    webhook_secret: str | None = None
    allowed_keys: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.time
