"""Every row of the corpus is here, under its number."""

import re
from pathlib import Path

from datasets.problem_codes import KINDS
from tests.datasets.hostile.corpus import INVALID, READ, REFUSED, VALID
from tests.datasets.hostile.test_uploads import NAMES

# What the corpus calls an outcome, where ours is not simply the same in lower case.
OTHER_NAMES = {
    "JSON": "invalid_json",
    "KEYS": "line_too_long",
    "TOO_MANY": "too_many_messages",
    "DUPLICATES": "duplicate",
}
NAMED = [
    "NO_EXAMPLES",
    "ENCODING",
    "NUL",
    "SURROGATE",
    "NON_FINITE",
    "NUMBER",
    "DUPLICATE_KEY",
    "DEPTH",
    "LINE_TOO_LONG",
    "KEYS",
    "JSON",
    "NOT_JSONL",
    "UNKNOWN_FIELD",
    "NOT_OBJECT",
    "MESSAGES",
    "ROLE",
    "CONTENT",
    "TOO_MANY",
    "MIN_EXAMPLES",
    "TOKENS",
    "FIELD_SIZE",
    "CSV_QUOTE",
    "HEADER",
    "COLUMNS",
    "DIALECT",
    "HASH_MISMATCH",
    "SECRET",
    "DUPLICATES",
]


def test_every_outcome_of_the_corpus_has_a_code():
    assert {OTHER_NAMES.get(name, name.lower()) for name in NAMED} <= KINDS.keys()


def test_has_all_ninety_rows_in_at_least_110_files():
    titles = [case[0] for case in [*REFUSED, *INVALID, *VALID, *READ]] + list(NAMES)
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    numbers = [title[:2] for title in titles if title[:2].isdigit()]
    numbers += [function or case for function, case in re.findall(r"def test_(\d\d)_|id=\"(\d\d) ", sources)]

    assert {int(number) for number in numbers} == set(range(1, 91))
    assert len(titles) >= 110
