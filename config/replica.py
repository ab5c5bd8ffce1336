"""Reads from a streaming replica of PostgreSQL, where they lose nothing by it.

Training data, jobs and models are read from the replica while a safe request is answered. Whoever has written
reads from the primary until the replica has caught up with that write; so does everybody while the replica,
or the cache that remembers the writes, is away. Sign-in, membership and tokens must act at once: they never
leave the primary, and neither does anything in a task.
"""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import MiddlewareNotUsed
from django.db import DatabaseError, connections
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

PRIMARY, REPLICA = "default", "replica"
LAGGING_APPS = frozenset({"datasets", "jobs", "models_registry"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# How long a write is remembered. A replica that lags longer is no replica to read from.
REMEMBERED_SECONDS = 3600
POSITION = "SELECT pg_current_wal_insert_lsn()::text"
HAS_REPLAYED = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
START_OF_LOG = "0/0"

reads_may_lag: ContextVar[bool] = ContextVar("reads_may_lag", default=False)


class ReplicaRouter:
    """Sends reads of training data to the replica where `reads_may_lag` says so, all else to the primary."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        lags = reads_may_lag.get() and model._meta.app_label in LAGGING_APPS
        return REPLICA if lags else PRIMARY

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == PRIMARY


class ReplicaMiddleware:
    """Decides for each request; see this module's docstring."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if REPLICA not in settings.DATABASES:
            raise MiddlewareNotUsed
        self.get_response = get_response
        self.away_until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        written = f"written:{_sender(request)}"
        if request.method not in SAFE_METHODS:
            response = self.get_response(request)
            _remember_write(written)
            return response
        token = reads_may_lag.set(self._has_caught_up(written))
        try:
            return self.get_response(request)
        finally:
            reads_may_lag.reset(token)

    def _has_caught_up(self, written: str) -> bool:
        """Whether the replica answers, and has replayed what the sender wrote last."""
        if time.monotonic() < self.away_until:
            return False
        try:
            position = cache.get(written) or START_OF_LOG
            return self._has_replayed(position)
        except RedisError:
            return False

    def _has_replayed(self, position: str) -> bool:
        connection = connections[REPLICA]
        try:
            with connection.cursor() as cursor:
                cursor.execute(HAS_REPLAYED, [position])
                return bool(cursor.fetchone()[0])
        except DatabaseError as error:
            connection.close()
            self.away_until = time.monotonic() + settings.REPLICA_RETRY_SECONDS
            logger.warning("the replica is away, the primary answers instead: %s", error)
            return False


def _sender(request: HttpRequest) -> str:
    """Whom a request comes from, before anybody has looked who that is: their token or session, hashed."""
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return sha256(f"{request.headers.get('Authorization', '')}|{session}".encode()).hexdigest()


def _remember_write(written: str) -> None:
    try:
        with connections[PRIMARY].cursor() as cursor:
            cursor.execute(POSITION)
            cache.set(written, cursor.fetchone()[0], REMEMBERED_SECONDS)
    except (DatabaseError, RedisError) as error:
        # Reads go to the primary too, as long as the cache is away.
        logger.warning("a write could not be remembered: %s", error)
