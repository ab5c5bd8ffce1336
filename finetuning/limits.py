"""How often an organization may do what costs something.

What makes rows is counted in the rows themselves, under a lock, so no flushed or missing Redis makes it more.
All other requests to the API are counted in Redis, and not at all while Redis is away: a limit against noise
must not be what stops the product.
"""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db.models import Count, Min, QuerySet
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from finetuning.breaker import Breaker

logger = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
MINUTE_MS = 60_000
# A counter beside the database is quick or not there.
REDIS_TIMEOUT_SECONDS = 0.2
redis_breaker = Breaker(seconds=5)

COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


@dataclass(frozen=True)
class Allowance:
    """What a limit leaves. After `reset_seconds` there is more."""

    limit: int
    remaining: int
    reset_seconds: int
    is_exceeded: bool = False


def hourly_allowance(rows: QuerySet[Any], *, limit: int, now: datetime) -> Allowance:
    """What `rows`, by their `created_at`, leave of `limit` an hour.

    Exact for whoever holds the lock of the organization that they belong to.
    """
    recent = rows.filter(created_at__gt=now - HOUR)
    found = recent.aggregate(count=Count("pk"), oldest=Min("created_at"))
    if found["count"] < limit:
        return Allowance(limit, limit - found["count"], _seconds_until(found["oldest"], now))
    # There may be more rows than the limit, where it was higher before: then the first to go is not enough.
    deciding = recent.order_by("-created_at").values_list("created_at", flat=True)[limit - 1]
    return Allowance(limit, 0, _seconds_until(deciding, now), is_exceeded=True)


def _seconds_until(created_at: datetime | None, now: datetime) -> int:
    left = (created_at or now) + HOUR - now
    return max(1, math.ceil(left.total_seconds()))


def count_request(organization_id: UUID) -> Allowance | None:
    """Count one request of a minute; None while Redis is away."""
    if not redis_breaker.allows():
        return None
    try:
        count, left_ms = _counter()(keys=[f"attune:requests:{organization_id}"], args=[MINUTE_MS])
    except redis.RedisError as error:
        redis_breaker.failed()
        logger.warning("requests are not counted for a while, Redis is away: %s", error)
        return None
    redis_breaker.succeeded()
    limit = settings.REQUESTS_PER_MINUTE
    return Allowance(limit, max(0, limit - count), max(1, math.ceil(left_ms / 1000)), count > limit)


@cache
def _counter() -> Script:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return client.register_script(COUNT)
