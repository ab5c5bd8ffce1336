"""What work costs in CPU seconds. Unlike the time on the clock, a busy machine hardly changes it."""

import os
from pathlib import Path

from django.db import connection

from tests.chaos.stack import children_of

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Of a process and all that it has started, also those that have ended. Source: proc_pid_stat(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        # It has just ended; its parent knows from then on.
        return 0
    own = sum(map(int, fields[11:15])) / _TICKS
    return own + sum(map(cpu_seconds, children_of(pid)))


def postgres_seconds() -> float:
    """Of the whole database server, which runs on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    fields = Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()
    return cpu_seconds(int(fields[1]))
