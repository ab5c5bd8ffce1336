"""Every training file of the tests: the product and the second opinion take the same lines, with as many tokens."""

import io
import json

import pytest
from django.conf import settings

from datasets.formats import Row, sniff
from datasets.layouts import Plan
from datasets.layouts.reading import read_examples
from datasets.tally import Tally, judge
from tests.datasets.hostile.corpus import INVALID, READ, VALID
from tests.datasets.test_layouts import ROWS, lines
from tests.datasets.texts import JARGON
from tests.fuzz_ingest import reference

SAMPLE = settings.BASE_DIR / "datasets" / "samples" / "support.jsonl"
FILES = [*INVALID, *VALID, *READ]


def judged(data, plan):
    """Of each row of the file its value, and its tokens if it can be trained on."""
    tally = Tally(plan=plan)
    for reading in read_examples(io.BytesIO(data), plan):
        tokens, problems = judge(reading, tally)
        if isinstance(reading, Row):
            is_good = not any(problem.is_error for problem in problems)
            yield reading.line, reading.value, tokens if is_good else None


def taken(data, plan):
    return {line: tokens for line, _, tokens in judged(data, plan) if tokens is not None}


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case[1:3], id=case[0]) for case in FILES])
def test_takes_the_same_lines_of_hostile_files(name, data):
    format = sniff(data[:65536], name)
    if format == "jsonl":
        assert taken(data, Plan(format=format, layout="chat")) == reference.accepted(data, "supervised")
    for _, row, tokens in judged(data, Plan(format=format)):
        assert (tokens is not None) == reference.can_be_trained_on(row)
        assert tokens in (None, reference.count(row) if tokens else None)


def test_takes_the_same_lines_of_the_sample():
    data = SAMPLE.read_bytes()
    found = taken(data, Plan(format="jsonl", layout="chat"))

    assert found == reference.accepted(data, "supervised")
    assert len(found) == len(data.splitlines())


@pytest.mark.parametrize("row", [row for row, _, _ in ROWS.values()], ids=ROWS.keys())
def test_takes_the_same_rows_of_every_layout(row):
    [(_, converted, tokens)] = judged(lines(row), Plan(format="jsonl"))

    assert reference.can_be_trained_on(converted)
    assert tokens == reference.count(converted)


def test_counts_what_the_cookbook_counts():
    """The samples of OpenAI's cookbook, with the counts that its API gave."""
    row = {
        "messages": [
            {"role": role, "content": text} | ({"name": name} if name else {}) for role, name, text in JARGON
        ]
    }

    assert reference.count(row) == 124


def test_is_a_second_opinion():
    good = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    bad = json.loads(json.dumps(good).replace('"assistant"', '"robot"'))

    assert reference.accepted(lines(good, bad, good), "supervised").keys() == {1, 3}
