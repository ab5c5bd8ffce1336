"""What Prometheus reads of this process. Labels carry names of our own only, never text of users."""

from prometheus_client import Counter, Histogram

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
provider_calls = Counter(
    "attune_provider_calls", "Calls to a provider, by how they ended.", ["kind", "operation", "outcome"]
)
