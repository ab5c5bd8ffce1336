"""A lock that lives as long as the process that took it, however long that process is paused."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from finetuning.database import new_session
from jobs.models import Job, LeaseLost


@contextmanager
def only_creator(job: Job) -> Iterator[None]:
    """Keep everybody else from creating the run of this job. Raises LeaseLost when somebody is at it.

    A lease runs out while its owner is paused, and the owner wakes up and sends; the session of a paused
    process stays. It is a session of its own, for a pooler may give ours to others between two transactions.
    """
    with closing(new_session()) as session:
        locked = session.execute("SELECT pg_try_advisory_lock(%s)", [_key(job)]).fetchone()
        if locked != (True,):
            raise LeaseLost(job.pk)
        yield


def _key(job: Job) -> int:
    """64 bits of the id, the random ones."""
    return int.from_bytes(job.pk.bytes[8:], signed=True)
