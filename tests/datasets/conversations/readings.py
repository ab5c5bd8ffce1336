"""What the readers make of an export: its talks, and what is said of the rest."""

import io
from datetime import UTC, datetime

from datasets.conversation_files import Talk
from datasets.conversation_files.reading import read_talks
from datasets.problems import Problem
from tests.datasets.conversations.exports import array

FIRST_OF_MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def read(content, kind, format="json"):
    """The talks and the problems of a file."""
    found = list(read_talks(io.BytesIO(content), format, kind))
    talks = [one for one in found if isinstance(one, Talk)]
    return talks, [one for one in found if isinstance(one, Problem)]


def talk_of(value, kind):
    """The one talk of an element, of which nothing is said."""
    (talk,), problems = read(array(value), kind)
    assert problems == []
    return talk


def left_out(value, kind):
    (_,), (problem,) = read(array(value), kind)
    assert (problem.code, problem.severity, problem.line) == ("left_out", "warning", 2)
    return problem.found


def refusal(value, kind):
    talks, (problem,) = read(array(value), kind)
    assert (talks, problem.code, problem.line) == ([], "not_a_conversation", 2)
    return problem
