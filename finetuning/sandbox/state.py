"""The one object that handlers are given."""

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finetuning.sandbox.settings import SandboxSettings
from finetuning.sandbox.store import Store

if TYPE_CHECKING:
    from finetuning.sandbox.answers import AnswerIndex


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Settings, the store, and what is worth keeping in memory; the memory may be lost at any time."""

    settings: SandboxSettings
    store: Store
    # "POST /files" and the like: where a fault can strike.
    routes: frozenset[str] = frozenset()
    indexes: "OrderedDict[str, AnswerIndex]" = field(default_factory=OrderedDict)
    background: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))
    analysing: "dict[str, Future[None]]" = field(default_factory=dict)

    def now(self) -> float:
        """Return the sandbox's time in Unix seconds."""
        return self.settings.clock()

    @property
    def lenient(self) -> bool:
        """Whether every id exists and every move is allowed, as the SDK's own tests need it."""
        return self.settings.dialect == "spec"
