"""What a log line is about: request, task, organization, job. Whoever knows it says so once."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_names: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**names: object) -> Iterator[None]:
    """Every line that is logged inside carries these names too, for example `job_id=...`."""
    token = _names.set({**_names.get(), **{name: str(value) for name, value in names.items() if value}})
    try:
        yield
    finally:
        _names.reset(token)


def note(**names: object) -> None:
    """From now on to its end, lines of the present `log_context` carry these names too.

    Without effect outside of one, where nothing would take them away again.
    """
    if names_before := _names.get():
        _names.set({**names_before, **{name: str(value) for name, value in names.items()}})


class ContextFilter(logging.Filter):
    """Puts the names on each record: single attributes for JSON, `context` for a line of text."""

    def filter(self, record: logging.LogRecord) -> bool:
        names = _names.get()
        for name, value in names.items():
            setattr(record, name, value)
        record.context = "".join(f" {name}={value}" for name, value in names.items())
        return True
