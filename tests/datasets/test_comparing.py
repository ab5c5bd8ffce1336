"""Comparing any two versions of a dataset."""

import json
from itertools import pairwise

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from datasets import comparing, editing, versions
from datasets.alignment import same_rows, steps_between
from tests.datasets.conftest import lines, page_of, read, row
from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db
ROWS = st.lists(st.integers(0, 5), max_size=12)


def rebuilt(old, new):
    """`new`, made of `old` and the steps alone, and how many rows were kept."""
    pairs = same_rows(old, new)
    places = (step.new for step in steps_between(pairs, end=(len(old), len(new))))
    made = {place: new[place] for place in places if place is not None}
    return [value for _, value in sorted((made | {b: old[a] for a, b in pairs}).items())], len(pairs)


@given(ROWS, ROWS)
def test_the_steps_lead_from_one_to_the_other(old, new):
    assert rebuilt(old, new)[0] == new
    pairs = same_rows(old, new)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    steps = list(steps_between(pairs, end=(len(old), len(new))))
    assert len(pairs) + sum(step.old is not None for step in steps) == len(old)
    assert [step.end for step in steps] == sorted(step.end for step in steps)


@given(st.lists(st.integers(), unique=True, max_size=20), st.data())
def test_what_was_only_taken_out_leaves_all_others_kept(old, data):
    new = [one for one in old if data.draw(st.booleans())]

    assert rebuilt(old, new)[1] == len(new)


def test_one_that_is_there_again_later_costs_no_more_than_itself():
    assert rebuilt([9, 1, 2, 3, 9], [1, 2, 3, 9])[1] == 3


@pytest.fixture
def first(uploaded):
    return uploaded(lines(*map(row, range(12))))


@pytest.fixture
def third(first, user):
    """Of twelve examples the fifth was taken out, then the first changed, the last deleted and one added."""
    second = read(versions.filter_dataset(first, by=user, keep="others", search="Question 4?"))
    editing.change_example(second, by=user, position=0, text=json.dumps(row(100)))
    editing.delete_example(second, by=user, position=10)
    editing.add_example(second, by=user, text=json.dumps(row(200)))
    editing.add_example(second, by=user, text=json.dumps(row(201)))
    return read(editing.save_edits(second, by=user))


def compare(old, new):
    """The answers, one part or page after the other."""
    found = [comparing.compare_versions(old, new)]
    while found[-1].next_start:
        found.append(comparing.compare_versions(old, new, start=found[-1].next_start))
    return found


def told(answers):
    return [(one.kind, one.parent_line, one.line) for answer in answers for one in answer.changes]


ALL = [("changed", 1, 1), ("removed", 5, None), ("changed", 12, 11), ("added", None, 12)]


def test_compares_versions_that_are_not_parent_and_child(first, third):
    [answer] = compare(first, third)

    assert told([answer]) == ALL
    assert answer.counts == {"kept": 9, "changed": 2, "removed": 1, "added": 1}
    assert answer.changes[0].details[0] == {
        "pointer": "/messages/0/content",
        "before": "Question 0?",
        "after": "Question 100?",
    }
    [back] = compare(third, first)
    assert back.counts == {"kept": 9, "changed": 2, "removed": 1, "added": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 13])
def test_the_parts_together_tell_the_same(first, third, monkeypatch, size):
    monkeypatch.setattr(comparing, "EXAMPLES_PER_PART", size)

    answers = compare(first, third)

    sums = sum((answer.counts for answer in answers), start=answers[0].counts - answers[0].counts)
    assert sums["kept"] + sums["changed"] + sums["removed"] == 12
    assert sums["kept"] + sums["changed"] + sums["added"] == 12
    assert all(max(answer.compared) <= size for answer in answers)
    if size > 4:
        assert told(answers) == ALL


@pytest.mark.parametrize("per_page", [1, 2, 3])
def test_the_pages_together_tell_the_same(first, third, monkeypatch, per_page):
    monkeypatch.setattr(comparing, "CHANGES_PER_PAGE", per_page)

    answers = compare(first, third)

    assert told(answers) == ALL
    assert answers[0].number_of_changes == 4


def test_a_long_run_that_was_taken_out_is_gone_through(organization, monkeypatch):
    monkeypatch.setattr(comparing, "EXAMPLES_PER_PART", 4)
    long = DatasetFactory(organization=organization, examples=30)
    short = DatasetFactory(organization=organization, series_id=long.pk, version=2, examples=3)
    for position in range(3):
        kept = long.examples.get(position=20 + position)
        short.examples.filter(position=position).update(messages=kept.messages)

    answers = compare(long, short)

    assert sum(answer.counts["kept"] for answer in answers) == 3
    assert sum(answer.counts["removed"] for answer in answers) == 27


def test_equal_versions_have_no_changes(first):
    [answer] = compare(first, first)

    assert (answer.counts, answer.changes) == ({"kept": 12}, [])


@pytest.mark.parametrize("key", ["weight", "tools"])
def test_what_stands_beside_the_messages_counts(organization, key):
    old = DatasetFactory(organization=organization, examples=2)
    new = DatasetFactory(organization=organization, series_id=old.pk, version=2, examples=2)
    new.examples.filter(position=1).update(attributes={key: 1})

    assert told(compare(old, new)) == [("changed", 2, 2)]


def address(dataset, old, new, **query):
    return f"{page_of(dataset, 'compare')}?old={old.pk}&new={new.pk}" + "".join(
        f"&{name}={value}" for name, value in query.items()
    )


def test_the_page_shows_what_differs_and_by_how_much(member, first, third, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        text = member.get(address(third, first, third)).text

    for words in ("Line 5 was removed", "Line 12 was added", "Question 100?", "4 of 4"):
        assert words in text
    for label, number in (("Added", 1), ("Removed", 1), ("Changed", 2), ("The same", 9)):
        assert f"<dt>{label}</dt><dd>{number}</dd>" in text
    assert f'<option value="{first.pk}" selected>Version 1: 12 examples</option>' in text
    assert "in this part" not in text


def test_the_page_leads_on(member, first, third, monkeypatch):
    monkeypatch.setattr(comparing, "CHANGES_PER_PAGE", 3)

    text = member.get(address(third, first, third)).text
    assert f"?old={first.pk}&amp;new={third.pk}&amp;at=12-11" in text

    rest = member.get(address(third, first, third, at="12-11")).text
    assert "Line 12 was added" in rest
    assert "Line 5" not in rest
    assert "From the beginning" in rest
    assert 'rel="next"' not in rest


def test_the_versions_offer_it(member, first, third):
    text = member.get(page_of(third, "versions")).text

    assert f'action="{page_of(third, "compare")}"' in text
    second = third.parent
    assert f'<option value="{second.pk}" selected>Version 2' in text
    assert f'<option value="{third.pk}" selected>Version 3' in text


def test_one_version_is_not_offered(member, first):
    assert page_of(first, "compare") not in member.get(page_of(first, "versions")).text


@pytest.mark.parametrize(
    "at", ["", "x", "1", "1-", "-1-1", "1-2-3", "9999999999-1", "1-2\n", "\N{SUPERSCRIPT TWO}-1"]
)
def test_there_is_no_such_part(member, first, at):
    answer = member.get(page_of(first, "compare"), {"old": first.pk, "new": first.pk, "at": at})
    assert answer.status_code == 404


def test_compares_versions_of_this_dataset_only(client, member, first, outsider, other_organization):
    same = {"organization": first.organization, "examples": 1}
    foreign = DatasetFactory(organization=other_organization, examples=1)
    deleted = DatasetFactory(
        **same,
        series_id=first.series_id,
        version=2,
        deleted_at=first.created_at,
        superseded_at=first.created_at,
    )
    for stranger in (DatasetFactory(**same), foreign, deleted):
        assert member.get(address(first, first, stranger)).status_code == 404
        assert member.get(address(first, stranger, first)).status_code == 404
    for query in ("", f"?old={first.pk}", "?old=1&new=2"):
        assert member.get(page_of(first, "compare") + query).status_code == 404

    client.force_login(outsider)
    assert client.get(address(first, first, first)).status_code == 404
    assert client.get(reverse("datasets:compare", args=[foreign.pk])).status_code == 404


def test_private_data_is_masked(client, viewer, member, first, user):
    said = {"messages": [{"role": "user", "content": "I am ann@mail.acme.io"}, row(1)["messages"][1]]}
    editing.change_example(first, by=user, position=0, text=json.dumps(said))
    editing.add_example(first, by=user, text=json.dumps(said))
    version = read(editing.save_edits(first, by=user))
    client.force_login(viewer)

    text = client.get(address(version, first, version)).text

    assert text.count("I am an…io") == 2
    assert "ann@" not in text


def ask(api, new, **query):
    return api.get(f"/api/datasets/{new.pk}/comparison", query)


def test_the_api_says_the_same_and_leads_on(api, first, third, monkeypatch):
    monkeypatch.setattr(comparing, "CHANGES_PER_PAGE", 3)

    body = ask(api, third, againstId=first.pk).json()
    rest = ask(api, third, againstId=first.pk, start=body["nextStart"]).json()

    assert body["counts"] == {"kept": 9, "changed": 2, "removed": 1, "added": 1}
    assert (body["compared"], body["nextStart"]) == ({"old": 12, "new": 12}, "12-11")
    shown = [(one["kind"], one["parentLine"], one["line"]) for one in body["changes"] + rest["changes"]]
    assert shown == ALL
    assert rest["counts"] == {"kept": 0, "changed": 0, "removed": 0, "added": 1}
    assert rest["nextStart"] is None


def test_the_api_compares_versions_of_one_dataset_only(api, first, organization):
    answer = ask(api, first, againstId=DatasetFactory(organization=organization).pk)

    assert (answer.status_code, answer.json()["code"]) == (400, "not_one_dataset")
    for query in ({}, {"againstId": first.pk, "start": "1"}, {"againstId": first.pk, "start": "1-2\n"}):
        assert ask(api, first, **query).status_code == 400
