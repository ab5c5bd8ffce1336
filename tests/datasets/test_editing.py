"""Drafts: edits that wait to become a version together."""

import json

import pytest

from datasets import editing, services, versions
from tests.datasets.conftest import content_of, lines, read, row

pytestmark = pytest.mark.django_db


def text(number):
    return json.dumps(row(number))


def test_a_draft_changes_nothing_until_it_is_saved(uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))
    before = content_of(dataset)

    editing.change_example(dataset, by=user, position=3, text=text(100))

    assert content_of(dataset) == before
    assert dataset.examples.get(position=3).messages == row(3)["messages"]


def test_saves_all_edits_as_one_version(uploaded, user):
    dataset = uploaded(b"\n" + lines(*map(row, range(12)))[:-1])
    editing.change_example(dataset, by=user, position=3, text=json.dumps(row(100), indent=2))
    editing.delete_example(dataset, by=user, position=0)
    editing.add_example(dataset, by=user, text=text(200))

    version = read(editing.save_edits(dataset, by=user))

    rows = [*map(row, range(1, 3)), row(100), *map(row, range(4, 12)), row(200)]
    assert content_of(version) == b"\n" + lines(*rows)
    assert (version.status, version.version, version.parent) == ("valid", 2, dataset)
    assert version.change["counts"] == {"kept": 11, "changed": 1, "removed": 1, "added": 1}
    assert list(version.changes.order_by("number").values_list("kind", "parent_line", "line")) == [
        ("removed", 2, None),
        ("changed", 5, 4),
        ("added", None, 13),
    ]


def test_edits_lines_of_another_format(uploaded, user):
    rows = [row(n) for n in range(10)]
    dataset = uploaded(json.dumps([{"messages": []}, *rows]).encode(), name="one-line.json")
    editing.delete_example(dataset, by=user, position=9)

    version = read(editing.save_edits(dataset, by=user))

    assert content_of(version) == lines({"messages": []}, *rows[:9])


def test_a_saved_draft_is_empty_and_its_edits_are_those_of_the_version(uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))
    editing.delete_example(dataset, by=user, position=0)

    version = editing.save_edits(dataset, by=user)

    assert not dataset.edits.exists()
    assert [(edit.kind, edit.applied) for edit in version.edits.all()] == [("delete", True)]
    assert not version.edits.drafts().exists()
    with pytest.raises(versions.NothingToChange):
        editing.save_edits(dataset, by=user)


def test_a_later_edit_of_an_example_replaces_the_earlier_one(uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))
    editing.change_example(dataset, by=user, position=3, text=text(100))
    editing.change_example(dataset, by=user, position=3, text=text(101))
    assert json.loads(editing.shown_row(dataset, 3)) == row(101)

    editing.delete_example(dataset, by=user, position=3)

    assert list(dataset.edits.values_list("kind", "position")) == [("delete", 3)]
    assert json.loads(editing.shown_row(dataset, 3)) == row(3)


def test_discards_a_draft(uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))
    editing.delete_example(dataset, by=user, position=3)
    editing.add_example(dataset, by=user, text=text(1))

    assert editing.discard_edits(dataset) == 2
    assert not dataset.edits.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{broken", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"messages": []}', "/messages"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "/messages/0/role"),
        ('{"messages": [{"role": "user", "content": "NaN"}], "seed": NaN}', "not a finite number"),
        ('{"messages": [{"role": "user", "role": "user", "content": "x"}]}', "more than once"),
        (
            '{"input": {"messages": [{"role": "user", "content": "Q"}]}, "preferred_output": '
            '[{"role": "assistant", "content": "a"}], "non_preferred_output": [{"role": "assistant", "content": "b"}]}',
            "are for supervised training",
        ),
    ],
)
def test_takes_no_example_that_reading_would_reject(uploaded, user, given, words):
    dataset = uploaded(lines(*map(row, range(12))))

    for edit in (
        lambda: editing.add_example(dataset, by=user, text=given),
        lambda: editing.change_example(dataset, by=user, position=1, text=given),
    ):
        with pytest.raises(editing.ExampleNotValid) as refusal:
            edit()
        assert words in refusal.value.message
    assert not dataset.edits.exists()


def test_knows_no_example_beyond_the_last(uploaded, user):
    dataset = uploaded(lines(*map(row, range(12))))

    with pytest.raises(editing.NoSuchExample):
        editing.delete_example(dataset, by=user, position=12)


def test_a_draft_has_room_for_so_many_edits(uploaded, user, monkeypatch):
    monkeypatch.setattr(editing, "MAX_DRAFT_EDITS", 2)
    dataset = uploaded(lines(*map(row, range(12))))
    for position in (0, 1, 1):
        editing.delete_example(dataset, by=user, position=position)

    with pytest.raises(editing.DraftFull):
        editing.delete_example(dataset, by=user, position=2)


def test_edits_nothing_while_the_file_is_being_read(uploaded, user):
    dataset = services.revalidate_dataset(uploaded(lines(*map(row, range(12)))))

    with pytest.raises(versions.DatasetNotReady):
        editing.add_example(dataset, by=user, text=text(1))
