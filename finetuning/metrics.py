"""What Prometheus reads of this process. Labels carry names of our own only, never text of users."""

import os
import socket

from prometheus_client import Counter, Histogram, values

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # Containers that share the folder have processes of the same numbers.
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: f"{socket.gethostname()}-{os.getpid()}"
    )
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

http_request_seconds = Histogram(
    "attune_http_request_seconds",
    "Answered requests, by route (not by path).",
    ["method", "route", "status"],
    buckets=SECONDS,
)
task_seconds = Histogram(
    "attune_task_seconds", "Tasks that ended, well or not.", ["task", "outcome"], buckets=SECONDS
)
refresh_token_reuses = Counter(
    "attune_refresh_token_reuses", "Sign-ins that ended because a refresh token was used twice."
)
provider_call_seconds = Histogram(
    "attune_provider_call_seconds",
    "Calls to providers that train, by how they ended.",
    ["outcome"],
    buckets=SECONDS,
)
gateway_call_seconds = Histogram(
    "attune_gateway_call_seconds",
    "Calls of models, by the class of the answer's status.",
    ["status"],
    buckets=SECONDS,
)
gateway_refusals = Counter(
    "attune_gateway_refusals", "Calls that the gateway refused or could not answer itself.", ["code"]
)
