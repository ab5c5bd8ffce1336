"""What providers of each kind can do. Source: their documentation as of November 2026.

What is not documented is taken for missing: it is refused here, with a reason, and not after hours there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """From `takes_jobs_until` on no new job is taken; `extra_body` goes along with a create."""

    methods: tuple[str, ...]
    trains_known_models: bool = True
    pauses: bool = False
    takes_jobs_until: date | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)


CAPABILITIES = {
    "sandbox": Capabilities(methods=("supervised", "dpo", "reinforcement"), pauses=True),
    # developers.openai.com, "Deprecations": fine-tuning is being wound down.
    "openai": Capabilities(
        methods=("supervised", "dpo", "reinforcement"), pauses=True, takes_jobs_until=date(2027, 1, 6)
    ),
    "azure": Capabilities(
        methods=("supervised", "dpo", "reinforcement"), extra_body={"trainingType": "globalStandard"}
    ),
    # Open models only, which the account names.
    "nebius": Capabilities(methods=("supervised",), trains_known_models=False),
    "compatible": Capabilities(methods=("supervised", "dpo")),
}
