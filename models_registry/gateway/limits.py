"""What a key may ask in a minute, counted in Redis by all processes together.

Not counted while Redis is away: a limit must not be what stops the applications. Tokens are known when an
answer ends, so the one that goes over the limit is still answered, and the next is refused.
"""

import asyncio
import logging
import math

import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from finetuning.breaker import Breaker
from finetuning.limits import REDIS_TIMEOUT_SECONDS
from models_registry.gateway.errors import too_many
from models_registry.models import ApiKey

logger = logging.getLogger(__name__)

MINUTE_SECONDS = 60
# Refused requests do not count. Returns which limit is reached (0: none) and when there is more.
TAKE = """
local requests, tokens = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0)
if ARGV[1] ~= '' and requests >= tonumber(ARGV[1]) then return {1, redis.call('PTTL', KEYS[1])} end
if ARGV[2] ~= '' and tokens >= tonumber(ARGV[2]) then return {2, redis.call('PTTL', KEYS[2])} end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return {0, 0}
"""
ADD = """
if redis.call('INCRBY', KEYS[1], ARGV[1]) == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
"""


class Limits:
    """The counters of all keys."""

    def __init__(self) -> None:
        self._client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._take = self._client.register_script(TAKE)
        self._add = self._client.register_script(ADD)
        self._breaker = Breaker(seconds=5)
        self._adding: set[asyncio.Task[list[int] | None]] = set()

    async def take(self, key: ApiKey) -> None:
        """Count one request. Raises GatewayError 429 when this minute's requests or tokens are used up."""
        limits = {"requests": key.requests_per_minute, "tokens": key.tokens_per_minute}
        if limits == {"requests": None, "tokens": None}:
            return
        given: list[str | int] = ["" if limit is None else limit for limit in limits.values()]
        found = await self._run(
            self._take, [_counter(key, name) for name in limits], [*given, MINUTE_SECONDS]
        )
        if found and found[0]:
            what = list(limits)[found[0] - 1]
            raise too_many(what, limit=limits[what] or 0, seconds=max(1, math.ceil(found[1] / 1000)))

    def add_tokens(self, key: ApiKey, tokens: int) -> None:
        """Count what a call used, without waiting for it."""
        if key.tokens_per_minute is None or not tokens:
            return
        adding = self._run(self._add, [_counter(key, "tokens")], [tokens, MINUTE_SECONDS])
        task = asyncio.create_task(adding)
        self._adding.add(task)
        task.add_done_callback(self._adding.discard)

    async def _run(self, script: AsyncScript, keys: list[str], values: list[str | int]) -> list[int] | None:
        if not self._breaker.allows():
            return None
        try:
            answer: list[int] | None = await script(keys=keys, args=values)
        except RedisError as error:
            self._breaker.failed()
            logger.warning("calls are not limited for a while, Redis is away: %s", error)
            return None
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        await asyncio.gather(*self._adding)
        await self._client.aclose()


def _counter(key: ApiKey, what: str) -> str:
    return f"attune:gateway:{what}:{{{key.pk}}}"
