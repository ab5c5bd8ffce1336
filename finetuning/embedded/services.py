"""A database and a broker: those that were named, else our own."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from finetuning.embedded.errors import StartRefused
from finetuning.embedded.postgres import THROWAWAY_OPTIONS, database_url, start_postgres
from finetuning.embedded.supervisor import Supervisor
from finetuning.embedded.valkey import redis_url, start_valkey


def start_services(supervisor: Supervisor, *, sockets: Path) -> dict[str, str]:
    """Starts PostgreSQL and Valkey unless `DATABASE_URL` and `REDIS_URL` name others.

    Returns both addresses as environment variables. Raises StartRefused when a named one does not answer.
    """
    return _database(supervisor, sockets, ()) | _broker(supervisor, sockets)


def start_throwaway_services(supervisor: Supervisor, *, sockets: Path) -> dict[str, str]:
    """The same for tests: faster, because nothing has to outlive the run."""
    return _database(supervisor, sockets, THROWAWAY_OPTIONS) | _broker(supervisor, sockets)


def _database(supervisor: Supervisor, sockets: Path, options: tuple[str, ...]) -> dict[str, str]:
    given = os.environ.get("DATABASE_URL")
    if given:
        check_database(given)
        supervisor.say(f"PostgreSQL   {without_password(given)} (DATABASE_URL)")
        return {"DATABASE_URL": given}
    began = time.monotonic()
    programs = start_postgres(supervisor, sockets=sockets, options=options)
    supervisor.say(
        f"PostgreSQL   {programs.major} {programs.origin}, ready in {time.monotonic() - began:.1f} s"
    )
    return {"DATABASE_URL": database_url(sockets)}


def _broker(supervisor: Supervisor, sockets: Path) -> dict[str, str]:
    given = os.environ.get("REDIS_URL")
    if given:
        check_broker(given)
        supervisor.say(f"Redis        {without_password(given)} (REDIS_URL)")
        return {"REDIS_URL": given}
    began = time.monotonic()
    start_valkey(supervisor, sockets=sockets)
    supervisor.say(f"Valkey       ready in {time.monotonic() - began:.1f} s")
    return {"REDIS_URL": redis_url(sockets)}


def check_database(url: str) -> None:
    """Raises StartRefused when the named PostgreSQL does not let us in."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        raise StartRefused(
            f"DATABASE_URL ({without_password(url)}) does not answer: {_first_line(error)}. "
            "Correct it, or unset it to use the PostgreSQL that comes along."
        ) from error


def check_broker(url: str) -> None:
    """Raises StartRefused when the named Redis or Valkey does not answer."""
    import redis  # half a second that only a given address needs

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StartRefused(
            f"REDIS_URL ({without_password(url)}) does not answer: {_first_line(error)}. "
            "Correct it, or unset it to use the Valkey that comes along."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def without_password(url: str) -> str:
    """The address as it may be shown."""
    place = urlsplit(url)
    if place.password is None:
        return url
    return place._replace(netloc=f"{place.username or ''}:***@{place.netloc.rpartition('@')[2]}").geturl()
