"""What must hold for every file, whatever it contains."""

import io
import json
import re

from datasets.formats import BlankRow, Row, UnreadableRow
from datasets.layouts.reading import read_examples
from datasets.models import TrainingExample
from datasets.problem_codes import KINDS
from datasets.problems import MAX_POINTER_CHARACTERS, Problem
from datasets.tally import Tally, judge, split_row
from datasets.training_files import row_of
from datasets.validation import check_row, method_of
from datasets.validation.repairs import repair_row
from tests.fuzz_ingest import reference

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Trickle(io.BytesIO):
    """A file that hands out a few bytes at a time."""

    step = 1 << 20

    def read(self, size=-1):
        return super().read(self.step if size is None or size < 0 else min(size, self.step))


def check(made):
    """Read and judge the file. Raises AssertionError, or whatever the product raises and must not."""
    tally = Tally(plan=made.plan)
    examples = {}
    kinds = {"examples": 0, "rejected": 0, "blank": 0}
    readings = list(read_examples(io.BytesIO(made.data), made.plan))
    for reading in readings:
        tokens, problems = judge(reading, tally)
        for problem in problems:
            check_problem(problem)
        if isinstance(reading, Problem):
            continue
        is_good = isinstance(reading, Row) and not any(problem.is_error for problem in problems)
        kinds["blank" if isinstance(reading, BlankRow) else "examples" if is_good else "rejected"] += 1
        assert is_good or isinstance(reading, BlankRow) or any(problem.is_error for problem in problems)
        if isinstance(reading, Row):
            # Alone, a row knows nothing of the method of the others.
            is_good_alone = not any(one.is_error and one.code != "mixed_methods" for one in problems)
            assert reference.can_be_trained_on(reading.value) == is_good_alone
            if made.is_repaired:
                check_rules_again(reading, problems)
        if is_good:
            check_example(reading.value, tokens, tally)
            examples[reading.line] = tokens
    assert sum(kinds.values()) == sum(isinstance(one, Row | UnreadableRow | BlankRow) for one in readings)
    if made.step:
        check_reading_again(made, readings)
    if made.plan.is_plain:
        assert reference.accepted(made.data, made.plan.method) == examples


def check_problem(problem):
    """It can be stored, is listed, and says where it is."""
    assert KINDS[problem.code].severity == problem.severity
    assert not UNSTORABLE.search("".join(str(value) for value in vars(problem).values()))
    assert len(problem.pointer) <= MAX_POINTER_CHARACTERS
    assert problem.line is None or problem.line >= 1
    assert problem.message


def check_rules_again(reading, problems):
    """The rules say the same again, and say of a repaired row what its repair says."""
    alone = [problem.inside(reading.element) for problem in check_row(reading.value, line=reading.line)]
    assert [problem for problem in problems if problem in alone] == alone
    repaired = repair_row(reading.value, line=reading.line)
    assert repaired.left == check_row(repaired.value, line=reading.line)


def check_example(row, tokens, tally):
    """It is stored and sent as it was read, and counts what tiktoken counts."""
    stored = json.loads(json.dumps(row, ensure_ascii=False).encode())
    messages, attributes = split_row(stored)
    assert row_of(TrainingExample(messages=messages, attributes=attributes)) == row
    assert method_of(row) == tally.method
    assert tokens == reference.count(row)


def check_reading_again(made, readings):
    file = Trickle(made.data)
    file.step = made.step
    assert list(read_examples(file, made.plan)) == readings
