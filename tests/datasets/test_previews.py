"""A preview says of the first rows what validation says of them."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets import previews, reading, services, uploads
from datasets.formats import sniff
from tests.datasets.hostile.corpus import INVALID, READ, VALID
from tests.datasets.test_layouts import ROWS, lines

pytestmark = pytest.mark.django_db
CASES = [case[:3] for case in [*INVALID, *VALID, *READ]]
# What only the whole file can tell.
OF_THE_WHOLE = {"no_examples", "min_examples"}


def previewed(*files, **options):
    return previews.preview_upload([SimpleUploadedFile(name, data) for name, data in files], **options)


def said(problems):
    return [(p.code, p.severity, p.line, p.pointer, p.message, p.found, p.expected, p.fix) for p in problems]


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_the_verdict_on_hostile_files_is_that_of_validation(organization, user, name, data):
    file = SimpleUploadedFile(name, data)
    dataset = services.upload_dataset(organization, by=user, file=file, name="x", format=sniff(data, name))
    reading.validate_dataset(dataset)
    dataset.refresh_from_db()

    preview = previewed((name, data), limit=1_500, max_bytes=len(data))

    problems = [*preview.problems, *(problem for row in preview.rows for problem in row.problems)]
    stored = dataset.problems.exclude(code__in=OF_THE_WHOLE).order_by("id")
    assert sorted(said(problems)[:1_000], key=str) == sorted(said(stored)[:1_000], key=str)
    accepted = [row for row in preview.rows if row.accepted]
    assert len(accepted) == dataset.total_examples
    assert sum(row.token_count for row in accepted) == dataset.total_tokens


@pytest.mark.parametrize(("row", "layout", "becomes"), ROWS.values(), ids=ROWS.keys())
def test_shows_what_is_trained(row, layout, becomes):
    preview = previewed(("a.jsonl", lines(row)))

    assert preview.layout == layout
    assert [(shown.row, shown.accepted) for shown in preview.rows] == [(becomes or row, True)]


def test_shows_the_first_rows_only():
    data = lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(40)])

    preview = previewed(("a.jsonl", data), limit=3)

    assert (len(preview.rows), preview.complete) == (3, False)


def test_says_nothing_of_a_row_that_was_cut_through():
    data = lines(*[{"prompt": f"Q{n}", "completion": "A"} for n in range(3)])[:-10]
    preview = previewed(("a.jsonl", data))

    preview.drop_cut_row()

    assert ([row.accepted for row in preview.rows], preview.complete) == ([True, True], False)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_looks_at_the_beginning_of_a_large_file_only(name):
    good = b'{"prompt": "Q", "completion": "A"}'
    between, start = (b",", b"[") if name == "a.json" else (b"\n", b"")

    preview = previewed((name, start + good + between + good + between + b"[" * 50_000), max_bytes=1_000)

    assert ([row.accepted for row in preview.rows], preview.complete) == ([True, True], False)
    assert preview.problems == []


def test_says_nothing_of_the_end_of_an_array_that_was_cut_off():
    data = json.dumps([{"prompt": f"Q{n}", "completion": "A"} for n in range(3)]).encode()[:-10]
    preview = previewed(("a.json", data))

    preview.drop_cut_row()

    assert len(preview.rows) == 2
    assert preview.problems == []


def test_takes_several_files_and_says_in_which_a_problem_is():
    good = lines({"prompt": "Q", "completion": "A"})

    preview = previewed(("a.jsonl", good), ("b.jsonl", good + b"{\n"))

    assert [row.line for row in preview.rows] == [1, 2, 3]
    [duplicate] = preview.rows[1].problems
    [broken] = preview.rows[2].problems
    assert duplicate.message == "The same example stands on line 1 of a.jsonl."
    assert (broken.code, broken.line, broken.file, broken.file_line) == ("invalid_json", 3, "b.jsonl", 2)


def test_tells_rows_of_one_line_apart():
    first, again, other = ({"prompt": text, "completion": "A"} for text in ("Q", "Q", "R"))

    preview = previewed(
        ("a.json", json.dumps([first, [], again, other]).encode()), layout="prompt_completion"
    )

    found = [[problem.code for problem in row.problems] for row in preview.rows]
    assert found == [[], ["not_object"], ["duplicate"], []]
    assert [row.place for row in preview.rows] == [f"line 1, /{element}" for element in range(4)]


def test_a_mapping_is_tried_before_it_is_used():
    data = b"one,two\nQ,A\n"

    preview = previewed(("a.csv", data), column_mapping={"one": "user", "two": "assistant"})

    assert preview.columns == ("one", "two")
    assert preview.rows[0].row["messages"][1] == {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(
    "options",
    [
        {"column_mapping": {"one": "user"}},
        {"column_mapping": {"one": "user", "three": "assistant"}},
        {"column_mapping": {"one": "user", "two": "assistant"}, "layout": "alpaca"},
        {"layout": "columns"},
    ],
)
def test_refuses_a_mapping_that_makes_no_example(options):
    with pytest.raises(uploads.MappingNotPossible):
        previewed(("a.csv", b"one,two\nQ,A\n"), **options)
