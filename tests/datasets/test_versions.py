"""Versions of a dataset, and datasets that are made of others."""

import json
import tempfile

import pytest

from datasets import exporting, reading, services, versions
from datasets.deriving import differences as differing
from datasets.deriving.lines import FileChanged
from datasets.models import Dataset
from datasets.quality.private_data import find
from tests.datasets.conftest import CR_ENDS, content_of, lines, read, row

pytestmark = pytest.mark.django_db

PRIVATE = [
    row(0),
    {
        "messages": [
            {"role": "user", "content": "I am ann@mail.acme.io"},
            {"role": "assistant", "content": "Thanks, Ann@mail.acme.io and bob@mail.acme.io"},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "[EMAIL_1] wrote from bob@mail.acme.io"},
            {"role": "assistant", "content": "+49 30 901820"},
        ]
    },
]


def lines_of(dataset):
    return content_of(dataset).splitlines(keepends=True)


def test_repairs_change_the_repaired_lines_only(uploaded, user):
    parent = uploaded(b"".join(CR_ENDS))
    assert parent.repairable_problems > 0

    version = read(versions.repair_dataset(parent, by=user))

    before, after = b"".join(CR_ENDS).splitlines(keepends=True), lines_of(version)
    assert [n for n, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [2, 14]
    assert json.loads(after[2])["messages"][0]["role"] == "user"
    assert after[2].endswith(b"}\r\n")
    assert json.loads(after[14])["messages"][1]["content"] == "end"
    assert after[14].endswith(b"}")
    assert version.problem_counts == {"bom": 1, "blank_line": 1, "invalid_json": 1}
    assert version.change == {"kind": "repairs", "counts": {"kept": 13, "changed": 2, "mended": 3}}


def test_the_original_stays_as_it_was(uploaded, user):
    parent = uploaded(b"".join(CR_ENDS))
    columns = ("sha256", "status", "total_examples", "problem_counts", "validated_at", "file")
    before = Dataset.objects.values(*columns).get(pk=parent.pk)

    read(versions.repair_dataset(parent, by=user))

    assert Dataset.objects.values(*columns).get(pk=parent.pk) == before
    assert content_of(parent) == b"".join(CR_ENDS)


def test_a_version_knows_its_parent_its_author_and_what_it_holds(uploaded, user, colleague):
    parent = uploaded(b"".join(CR_ENDS), by=colleague)

    version = read(versions.repair_dataset(parent, by=user))

    assert (version.parent, version.series_id, version.version) == (parent, parent.pk, 2)
    assert (version.created_by, version.name) == (user, parent.name)
    assert version.sha256 != parent.sha256


def test_the_diff_says_what_stood_there_before_and_after(uploaded, user):
    version = read(versions.repair_dataset(uploaded(b"".join(CR_ENDS)), by=user))

    changes = list(version.changes.order_by("number").values_list("kind", "parent_line", "line", "details"))

    assert changes == [
        ("changed", 3, 3, [{"pointer": "/messages/0/role", "before": "User ", "after": "user"}]),
        (
            "changed",
            15,
            15,
            [
                {"pointer": "/messages/0/role", "before": "human", "after": "user"},
                {"pointer": "/messages/1/content", "before": " end ", "after": "end"},
            ],
        ),
    ]


def test_repairs_of_another_format_are_written_as_json_lines(uploaded, user):
    rows = [row(n) for n in range(10)] + [{"messages": [{"role": "bot", "content": "x"}]}]
    rows[3]["messages"][0]["role"] = "human"
    parent = uploaded(json.dumps(rows).encode(), name="all.json")

    version = read(versions.repair_dataset(parent, by=user))

    assert (version.format, version.file_name) == ("jsonl", "all.jsonl")
    assert [json.loads(line) for line in lines_of(version)][:10] == [row(n) for n in range(10)]
    assert version.total_lines == 11


def test_rows_of_another_format_that_cannot_be_read_are_counted(uploaded, user):
    cells = "".join(f'"Question {n}?"," Answer {n}."\n' for n in range(10))
    parent = uploaded(f'prompt,completion\n{cells}"a","b","c"\n'.encode(), name="pairs.csv")

    version = read(versions.repair_dataset(parent, by=user))

    assert version.change["counts"] == {"changed": 10, "mended": 10, "unreadable": 1}
    assert version.status == "valid"


def test_there_is_nothing_to_repair_in_a_good_file(uploaded, user):
    with pytest.raises(versions.NothingToChange):
        versions.repair_dataset(uploaded(lines(*map(row, range(10)))), by=user)


def test_nothing_is_made_of_a_dataset_that_is_being_read(uploaded, user):
    parent = services.revalidate_dataset(uploaded(b"".join(CR_ENDS)))

    with pytest.raises(versions.DatasetNotReady):
        versions.repair_dataset(parent, by=user)


def test_redacts_the_same_value_to_the_same_word_in_the_whole_file(uploaded, user):
    parent = uploaded(lines(*PRIVATE, *map(row, range(1, 10))) + b'{"mail": "ann@mail.acme.io"\n')
    assert parent.private_findings == 5

    version = read(versions.redact_dataset(parent, by=user))

    said = [
        message["content"]
        for example in version.examples.order_by("position")[1:3]
        for message in example.messages
    ]
    # [EMAIL_1] stands in the file already, so it is nobody's word.
    assert said == [
        "I am [EMAIL_2]",
        "Thanks, [EMAIL_2] and [EMAIL_3]",
        "[EMAIL_1] wrote from [EMAIL_3]",
        "[PHONE_1]",
    ]
    assert lines_of(version)[-1] == b'{"mail": "[EMAIL_2]"\n'
    assert lines_of(version)[0] == lines(PRIVATE[0])
    assert version.change["counts"] == {"kept": 10, "changed": 3, "redacted": 6, "values": 3}
    assert list(find({"all": content_of(version).decode()})) == []
    details = version.changes.order_by("number").first().details
    assert details == [
        {"pointer": "/messages/0/content", "before": "I am an…io", "after": "I am [EMAIL_2]"},
        {
            "pointer": "/messages/1/content",
            "before": "Thanks, An…io and bo…io",
            "after": "Thanks, [EMAIL_2] and [EMAIL_3]",
        },
    ]
    assert "mail.acme.io" not in str(list(version.changes.values()))


def test_redaction_says_what_it_could_not_read(uploaded, user):
    parent = uploaded(lines(*PRIVATE, *map(row, range(1, 10))) + b"\xff\xfe ann@mail.acme.io\n")

    version = read(versions.redact_dataset(parent, by=user))

    assert version.change["counts"]["not_redacted"] == 1
    assert lines_of(version)[-1] == b"\xff\xfe ann@mail.acme.io\n"


@pytest.mark.parametrize(
    ("criteria", "kept"),
    [
        ({"keep": "matching", "search": "question 1"}, [1, 10, 11]),
        ({"keep": "others", "search": "QUESTION 1"}, [0, 2, 3, 4, 5, 6, 7, 8, 9, 2]),
        ({"keep": "others", "problem": "duplicate"}, list(range(12))),
        ({"keep": "matching", "problem": "duplicate"}, [2]),
        ({"keep": "matching", "min_tokens": 20}, []),
        ({"keep": "others", "min_tokens": 20}, [*range(12), 2]),
        ({"keep": "matching", "max_tokens": 100, "search": "Answer 3"}, [3]),
    ],
)
def test_filters_by_text_problem_and_tokens(uploaded, user, criteria, kept):
    parent = uploaded(lines(*map(row, range(12)), row(2)))

    version = read(versions.filter_dataset(parent, by=user, **criteria))

    assert content_of(version) == lines(*map(row, kept))
    assert (version.version, version.series_id) == (2, parent.pk)
    assert version.changes.filter(kind="removed").count() == 13 - len(kept)


def test_takes_out_every_line_with_a_problem_also_those_that_are_not_kept(uploaded, user, monkeypatch):
    monkeypatch.setattr("datasets.problems.KEPT_PER_CODE", 2)
    parent = uploaded(lines(*map(row, range(12))) + b"{broken\n" * 5)
    assert parent.problems.filter(code="invalid_json").count() == 2

    version = read(versions.filter_dataset(parent, by=user, keep="others", problem="invalid_json"))

    assert content_of(version) == lines(*map(row, range(12)))
    assert version.status == "valid"


def test_refuses_to_filter_by_nothing(uploaded, user):
    with pytest.raises(versions.NotDerivable):
        versions.filter_dataset(uploaded(lines(row(1))), by=user, keep="others", search="")


def test_keeps_many_changes_and_counts_all(uploaded, user, monkeypatch):
    monkeypatch.setattr("datasets.deriving.output.KEPT_CHANGES", 3)
    parent = uploaded(lines(*map(row, range(12))))

    version = read(versions.filter_dataset(parent, by=user, keep="others", search="Question 1"))

    assert version.change["counts"] == {"kept": 9, "removed": 3}
    version = read(versions.filter_dataset(parent, by=user, keep="others", search="Question"))
    assert version.change["counts"] == {"removed": 12}
    assert list(version.changes.values_list("number", flat=True)) == [1, 2, 3]


def test_samples_the_same_examples_for_the_same_seed(uploaded, user):
    parent = uploaded(lines(*map(row, range(50))) + b"{broken\n")

    one, same, other = (
        read(versions.sample_dataset(parent, by=user, name="Few", count=10, seed=seed)) for seed in (1, 1, 2)
    )

    assert content_of(one) == content_of(same) != content_of(other)
    assert set(lines_of(one)) < set(lines_of(parent))
    assert (one.total_examples, one.version, one.parent) == (10, 1, parent)
    assert one.change == {"kind": "sample", "count": 10, "seed": 1, "counts": {"kept": 10, "left_out": 41}}


def test_refuses_a_sample_of_more_than_there_is(uploaded, user):
    with pytest.raises(versions.NotDerivable):
        versions.sample_dataset(uploaded(lines(*map(row, range(10)))), by=user, name="x", count=11, seed=1)


def test_a_split_parts_no_conversation_and_no_doubles(uploaded, user):
    talk = [message for n in range(4) for message in row(100 + n)["messages"]]
    grown = [{"messages": talk[: 2 * n]} for n in range(1, 5)]
    double = {"messages": [{"role": "user", "content": "QUESTION 7?"}, row(7)["messages"][1]]}
    parent = uploaded(lines(*grown, *map(row, range(40)), double, row(3)))

    training, validation = map(read, versions.split_dataset(parent, by=user, ratio=0.25, seed=3))

    kept, held = set(lines_of(training)), set(lines_of(validation))
    assert training.total_examples + validation.total_examples == parent.total_examples == 46
    assert 8 <= validation.total_examples <= round(46 * 0.25)
    assert kept & held == set()
    for group in (lines(*grown), lines(double, row(7)), lines(row(3))):
        sides = {line in held for line in group.splitlines(keepends=True)}
        assert len(sides) == 1
    assert (training.name, validation.name) == ("Support (training)", "Support (validation)")
    assert training.change["part"], training.parent == ("training", parent)


def test_a_split_keeps_examples_of_one_conversation_together(organization, user):
    conversations = [organization.conversations.record(messages=row(n)["messages"])[0] for n in range(12)]
    dataset = read(services.import_conversations(organization, by=user, name="Import"))
    dataset.examples.filter(position__in=(2, 9)).update(conversation=conversations[0])

    for seed in range(6):
        _, validation = map(read, versions.split_dataset(dataset, by=user, ratio=0.25, seed=seed))

        held = validation.examples.filter(conversation=conversations[0])
        assert validation.total_examples == 3
        assert held.count() in (0, 3)


def test_merges_examples_in_order(uploaded, user):
    first, second = (
        uploaded(lines(*map(row, range(10)))[:-1]),
        uploaded(b"\xef\xbb\xbf" + lines(*map(row, range(10, 20))) + b"{broken\n"),
    )

    merged = read(versions.merge_datasets(first, [second], by=user, name="Both"))

    assert content_of(merged) == lines(*map(row, range(20)))
    assert (merged.status, merged.version, merged.parent) == ("valid", 1, first)
    assert merged.change["sources"] == [str(first.pk), str(second.pk)]
    assert merged.change["counts"] == {"kept": 20, "left_out": 1}
    assert list(Dataset.objects.merged_from(second)) == [merged]


def test_refuses_to_merge_what_does_not_go_together(uploaded, user):
    dataset = uploaded(lines(*map(row, range(10))))
    pairs = uploaded(lines(*map(pair, range(10))))

    for others in ([], [dataset], [pairs]):
        with pytest.raises(versions.NotDerivable):
            versions.merge_datasets(dataset, others, by=user, name="x")


def test_a_merge_is_no_larger_than_an_upload_may_be(uploaded, user, settings, monkeypatch):
    first, second = uploaded(lines(*map(row, range(10)))), uploaded(lines(*map(row, range(10, 20))))
    size = first.file_size_bytes + second.file_size_bytes

    settings.UPLOAD_MAX_BYTES = size - 1
    with pytest.raises(versions.NotDerivable, match="larger than"):
        versions.merge_datasets(first, [second], by=user, name="Both")
    settings.UPLOAD_MAX_BYTES = size
    monkeypatch.setattr("datasets.versions.MAX_ROWS", 19)
    with pytest.raises(versions.NotDerivable, match="20 examples"):
        versions.merge_datasets(first, [second], by=user, name="Both")
    monkeypatch.setattr("datasets.versions.MAX_ROWS", 20)

    merged = versions.merge_datasets(first, [second], by=user, name="Both")

    assert read(merged).total_examples == 20


def pair(n):
    return {
        "input": {"messages": [{"role": "user", "content": f"Q{n}"}]},
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }


def test_the_conversation_of_an_example_is_known_in_later_versions(organization, user):
    for number in range(12):
        organization.conversations.record(messages=row(number)["messages"])
    first = read(services.import_conversations(organization, by=user, name="Import"))

    second = read(versions.filter_dataset(first, by=user, keep="others", search="Question 4?"))

    origins = dict(first.examples.values_list("messages__0__content", "conversation_id"))
    del origins["Question 4?"]
    assert dict(second.examples.values_list("messages__0__content", "conversation_id")) == origins


def test_a_worker_that_died_after_writing_is_followed_by_one_that_makes_the_same(organization, user):
    for number in range(12):
        organization.conversations.record(messages=row(number)["messages"])
    first = read(services.import_conversations(organization, by=user, name="Import"))
    version = versions.filter_dataset(first, by=user, keep="others", search="Question 4?")
    with tempfile.TemporaryFile() as copy:
        reading.write_derived(version, copy)
    stored = Dataset.objects.get(pk=version.pk).file.name

    read(version)

    assert (version.file.name, version.status, version.total_examples) == (stored, "valid", 11)
    assert version.changes.count() == 1
    assert not version.examples.filter(conversation=None).exists()


def test_reading_a_version_again_changes_nothing(uploaded, user):
    version = read(versions.repair_dataset(uploaded(b"".join(CR_ENDS)), by=user))
    before = (version.sha256, version.file.name, version.change)

    read(services.revalidate_dataset(version))

    assert (version.sha256, version.file.name, version.change) == before


def test_makes_nothing_of_a_file_that_is_not_the_validated_one(uploaded, user):
    parent = uploaded(b"".join(CR_ENDS))
    version = versions.repair_dataset(parent, by=user)
    with parent.file.storage.open(parent.file.name, "wb") as stored:
        stored.write(lines(*map(row, range(10))))

    with pytest.raises(FileChanged):
        reading.validate_dataset(version)


def test_a_line_longer_than_a_row_may_be_is_copied_as_it_is(uploaded, user):
    huge = b'{"messages": "' + b"x" * (5 * 1024 * 1024) + b'"}\n'
    parent = uploaded(huge + b"".join(CR_ENDS[2:]))

    version = read(versions.repair_dataset(parent, by=user))

    assert content_of(version).startswith(huge)
    assert version.problem_counts["line_too_long"] == 1


def test_walks_through_many_lines_with_few_queries(uploaded, user, django_assert_max_num_queries):
    parent = uploaded(lines(*map(row, range(100))))
    version = versions.filter_dataset(parent, by=user, keep="others", search="Answer 3")

    with django_assert_max_num_queries(20), tempfile.TemporaryFile() as copy:
        reading.write_derived(version, copy)


def test_repairs_everything_at_once(uploaded, user):
    version = read(
        versions.repair_dataset(uploaded(lines({"messages": []}) + b"".join(CR_ENDS[1:])), by=user)
    )

    assert "messages" in version.problem_counts
    assert version.repairable_problems == 0


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, [("/a", "1", "true")]),
        ({"a/b": "x"}, {}, [("/a~1b", "x", None)]),
        ([1, 2, 3], [1, 3], [("/1", "2", None)]),
        ([1, 3], [1, 2, 3], [("/1", None, "2")]),
        ("a", "a\u202eb\x1b", [("", "a", "a\\u202eb\\u001b")]),
        ("x" * 500 + "a", "x" * 500 + "b", [("", "…" + "x" * 60 + "a", "…" + "x" * 60 + "b")]),
    ],
)
def test_says_how_two_values_differ(before, after, found):
    assert [(one.pointer, one.before, one.after) for one in differing.differences(before, after)] == found


def test_makes_vendor_rows_of_another_layout(uploaded, user):
    turns = [
        [{"from": "human", "value": f"Question {n}?"}, {"from": "gpt", "value": f"Answer {n}."}]
        for n in range(12)
    ]
    parent = uploaded(lines(*({"conversations": turn} for turn in turns)))

    sample = read(versions.sample_dataset(parent, by=user, name="Some", count=10, seed=1))

    assert (parent.layout, sample.layout, sample.status) == ("sharegpt", "chat", "valid")
    assert all(json.loads(line) in [row(n) for n in range(12)] for line in lines_of(sample))
    assert content_of(parent).startswith(b'{"conversations":')
    assert b"".join(exporting.export_dataset(parent, "jsonl")) == lines(*map(row, range(12)))
