"""How the lines of a dataset become the file of another one."""

import json
import tempfile

import pytest
from django.utils import timezone

from datasets import deriving, editing, reading, services, versions
from datasets.tally import LinesLost
from tests.datasets.conftest import GOOD, content_of, lines, page_of, read, row

pytestmark = pytest.mark.django_db


def graded(number, **fields):
    return {"messages": row(number)["messages"][:1], **fields}


def test_waits_while_the_parent_is_being_read_again(uploaded, user):
    parent = uploaded(GOOD)
    version = versions.filter_dataset(parent, by=user, keep="others", search="Question 4?")
    services.revalidate_dataset(parent)
    asked_at = timezone.now()

    read(version)

    assert version.is_processing
    assert (version.attempts, version.file.name) == (0, "")
    assert version.next_check_at > asked_at


def test_is_made_once_the_parent_has_been_read(uploaded, user):
    parent = uploaded(GOOD)
    version = versions.filter_dataset(parent, by=user, keep="others", search="Question 4?")
    services.revalidate_dataset(parent)
    read(version)
    read(parent)
    type(version).objects.filter(pk=version.pk).update(next_check_at=timezone.now())

    read(version)

    assert (version.status, version.total_examples) == ("valid", 11)


def test_keeps_nothing_that_was_made_while_the_parent_was_read_again(uploaded, user, monkeypatch):
    parent = uploaded(GOOD)
    version = versions.filter_dataset(parent, by=user, keep="others", search="Question 4?")
    make = deriving.KINDS["filter"]

    def interrupted(*arguments):
        make(*arguments)
        read(services.revalidate_dataset(parent))

    monkeypatch.setitem(deriving.KINDS, "filter", interrupted)
    read(version)

    assert version.is_processing
    assert (version.file.name, version.changes.count()) == ("", 0)


def test_does_not_wait_for_a_parent_that_nobody_reads_any_more(uploaded, user):
    parent = uploaded(GOOD)
    version = versions.filter_dataset(parent, by=user, keep="others", search="Question 4?")
    services.delete_dataset(services.revalidate_dataset(parent))

    read(version)

    assert (version.status, version.total_examples) == ("valid", 11)


def test_misses_no_example_that_the_database_writes_otherwise(uploaded, user):
    rows = [graded(number, score=1e23) for number in range(12)]
    parent = uploaded(json.dumps(rows).encode(), name="one-line.json")
    editing.delete_example(parent, by=user, position=10)

    version = read(editing.save_edits(parent, by=user))

    assert content_of(version) == lines(*rows[:10], rows[11])


def test_tells_rows_of_one_line_from_those_that_were_rejected(uploaded, user):
    bad, good = {"messages": []}, [row(number) for number in range(12)]
    parent = uploaded(json.dumps([bad, *good[:6], bad, *good[6:]]).encode(), name="one-line.json")

    sample = read(versions.sample_dataset(parent, by=user, name="All", count=12, seed=1))

    assert content_of(sample) == lines(*good)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("position", [3, 11])
def test_makes_nothing_when_an_example_belongs_to_no_line(uploaded, user, name, position):
    rows = [row(number) for number in range(12)]
    parent = uploaded(lines(*rows) if name == "a.jsonl" else json.dumps(rows, indent=1).encode(), name=name)
    version = versions.filter_dataset(parent, by=user, keep="others", search="Question 4?")
    parent.examples.filter(position=position).update(line=2)

    with pytest.raises(LinesLost), tempfile.TemporaryFile() as copy:
        reading.write_derived(version, copy)


@pytest.mark.parametrize(
    ("criteria", "kept"),
    [
        ({"keep": "others", "problem": "duplicate"}, [*range(12), "spaced"]),
        ({"keep": "matching", "problem": "duplicate"}, [2]),
        ({"keep": "others", "problem": "white_space"}, [*range(12), 2]),
        ({"keep": "others", "problem": "messages"}, [*range(12), 2, "spaced"]),
    ],
)
def test_filters_elements_of_one_line_by_their_own_problems(uploaded, user, criteria, kept):
    rows = {number: row(number) for number in range(12)}
    rows["spaced"] = {"messages": [row(50)["messages"][0], {"role": "assistant", "content": " x"}]}
    elements = [{"messages": []}, *map(row, range(12)), row(2), rows["spaced"]]
    parent = uploaded(json.dumps(elements).encode(), name="one-line.json")

    version = read(versions.filter_dataset(parent, by=user, **criteria))

    others = [] if criteria["keep"] == "matching" or criteria["problem"] == "messages" else elements[:1]
    assert content_of(version) == lines(*others, *(rows[name] for name in kept))


def test_takes_out_blank_lines(uploaded, user):
    parent = uploaded(GOOD[:500] + GOOD[500:].replace(b"\n", b"\n\n", 2))

    version = read(versions.filter_dataset(parent, by=user, keep="others", problem="blank_line"))

    assert content_of(version) == GOOD
    assert version.change["counts"] == {"kept": 12, "removed": 2}


@pytest.mark.parametrize("problem", ["min_examples", "bom", "role", "no such problem", "mixed_methods"])
def test_refuses_to_filter_by_what_no_line_has(uploaded, user, problem):
    parent = uploaded(b"\xef\xbb\xbf" + lines(row(1)) + b"\xff\n")
    assert {"bom", "min_examples", "encoding"} == parent.problem_counts.keys()

    with pytest.raises(versions.NotDerivable) as refusal:
        versions.filter_dataset(parent, by=user, keep="others", problem=problem)

    assert refusal.value.pointer == "/problem"
    assert not parent.children.exists()


def test_offers_to_filter_by_what_lines_have(member, uploaded):
    parent = uploaded(b"\xef\xbb\xbf" + lines(row(1)) + b"\xff\n")

    page = member.get(page_of(parent, "derive")).content.decode()

    assert "encoding (1)" in page
    assert "min_examples" not in page


BAD_PAIR = {"input": {"messages": [{"role": "user", "content": "Q"}]}, "preferred_output": []}
FLAT = {"question": "Where?", "answer": " Here."}


def without_layout(dataset):
    """As datasets are that were read before layouts were known."""
    type(dataset).objects.filter(pk=dataset.pk).update(layout="", column_mapping={})
    dataset.refresh_from_db()
    return dataset


@pytest.mark.parametrize(
    ("one", "layout", "columns"),
    [
        (row(1), "chat", {}),
        (BAD_PAIR, "preference", {}),
        (graded(1, score=1), "reinforcement", {}),
        ({"instruction": "Where?", "output": " Here."}, "alpaca", {}),
        (FLAT, "columns", {"question": "user", "answer": "assistant"}),
    ],
)
def test_the_verdict_says_which_layout_was_found(uploaded, one, layout, columns):
    dataset = without_layout(uploaded(lines(one)))

    read(services.revalidate_dataset(dataset))

    assert (dataset.layout, dataset.column_mapping) == (layout, columns)


@pytest.mark.parametrize("read_again", [False, True])
@pytest.mark.parametrize(
    ("one", "layout"),
    [
        (BAD_PAIR, "preference"),
        (graded(1, score=1) | {"tools": "none"}, "reinforcement"),
        (FLAT, "chat"),
        ({"instruction": "Where?", "output": " Here."}, "chat"),
    ],
)
def test_a_version_is_in_the_layout_of_its_rows(uploaded, user, one, layout, read_again):
    parent = without_layout(uploaded(lines(one)))
    if read_again:
        read(services.revalidate_dataset(parent))

    version = read(versions.filter_dataset(parent, by=user, keep="others", search="no such text"))

    assert version.layout == layout
    assert version.problem_counts == parent.problem_counts
    assert content_of(version) != b""
