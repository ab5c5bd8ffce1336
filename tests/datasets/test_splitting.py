"""Nothing that is held back for validation is known from training, whatever the data is like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import splitting
from datasets.quality import duplicates
from datasets.splitting import held_back
from datasets.training_files import validation_positions
from tests.factories import DatasetFactory

WORDS = [f"word{number}" for number in range(400)]


def text(start, *, changed=0):
    """Sixty words from `start` on, the last `changed` of them other ones."""
    words = WORDS[start : start + 60]
    return " ".join(words[: 60 - changed] + [f"other{start}x{n}" for n in range(changed)]).encode()


# Few starts, so that many texts are the same or nearly; with more changed words they are merely related.
TEXTS = st.builds(text, st.sampled_from([0, 3, 60, 120, 180, 240]), changed=st.integers(0, 30))
EXAMPLES = st.lists(st.tuples(TEXTS | st.binary(max_size=40), st.none() | st.integers(0, 5)), max_size=60)


def part(prints, indexes):
    kept = np.array(sorted(indexes), dtype=int)
    return duplicates.Prints(digests=prints.digests[kept], signatures=prints.signatures[kept])


def leaks(training, validation):
    """Each of the validation data that the duplicates of one file would be told of, were both that file."""
    return [
        (known, asked)
        for known in range(len(training.digests))
        for asked in range(len(validation.digests))
        if are_alike(training, known, validation, asked)
    ]


def are_alike(one, first, other, second):
    if one.digests[first] == other.digests[second]:
        return True
    agreeing = one.signatures[first] == other.signatures[second]
    shares_a_band = agreeing.reshape(duplicates.BANDS, -1).all(axis=1).any()
    return bool(
        one.signatures[first].any() and shares_a_band and agreeing.mean() >= duplicates.NEARLY_THE_SAME
    )


@given(examples=EXAMPLES, size=st.integers(0, 30), seed=st.integers(0, 2**31 - 1))
def test_leaks_nothing_and_keeps_conversations_together(examples, size, seed):
    prints = duplicates.prints_of([words for words, _ in examples])
    conversations = [conversation for _, conversation in examples]

    validation = held_back(prints, conversations, size=size, seed=seed)

    training = set(range(len(examples))) - validation
    assert len(validation) <= size
    assert leaks(part(prints, training), part(prints, validation)) == []
    assert leaks(part(prints, validation), part(prints, training)) == []
    apart = [{conversations[index] for index in side} - {None} for side in (training, validation)]
    assert apart[0] & apart[1] == set()
    assert validation == held_back(prints, conversations, size=size, seed=seed)


@given(examples=st.lists(TEXTS, min_size=2, max_size=40), seed=st.integers(0, 2**31 - 1))
def test_leaks_nothing_where_too_many_are_alike_to_compare_all(examples, seed):
    prints = duplicates.prints_of(examples)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(splitting, "COMPARED_PAIRWISE", 1)
        validation = held_back(prints, [None] * len(examples), size=len(examples) // 2, seed=seed)

    training = set(range(len(examples))) - validation
    assert leaks(part(prints, training), part(prints, validation)) == []


@pytest.mark.parametrize("at_once", [1, 7])
def test_holds_back_the_same_when_few_are_compared_at_once(monkeypatch, at_once):
    prints = duplicates.prints_of(
        [text(start, changed=changed) for start in (0, 60, 120) for changed in range(9)]
    )
    expected = [held_back(prints, [None] * 27, size=10, seed=seed) for seed in range(5)]
    monkeypatch.setattr(splitting, "_COMPARED_AT_ONCE", at_once)

    assert [held_back(prints, [None] * 27, size=10, seed=seed) for seed in range(5)] == expected
    assert any(expected)


def test_compares_all_that_share_a_band():
    signatures = np.full((3, 64), 7, dtype=np.uint8)
    signatures[1, 8:] = 9
    # The first and the last are alike, but share only the first band.
    signatures[2, 8::8] = 1
    prints = duplicates.Prints(digests=np.array([1, 2, 3], dtype=np.uint64), signatures=signatures)

    assert [held_back(prints, [None] * 3, size=1, seed=seed) for seed in range(9)] == [{1}] * 9


@pytest.mark.parametrize(("examples", "together"), [(3, False), (4, True)])
def test_compares_none_where_more_share_a_band_than_can_be_compared(monkeypatch, examples, together):
    monkeypatch.setattr(splitting, "COMPARED_PAIRWISE", 3)
    signatures = np.repeat(np.arange(1, examples + 1, dtype=np.uint8)[:, None], 64, axis=1)
    signatures[:, :8] = 7
    prints = duplicates.Prints(digests=np.arange(examples, dtype=np.uint64), signatures=signatures)

    assert len(held_back(prints, [None] * examples, size=examples - 1, seed=1)) == (
        0 if together else examples - 1
    )


def test_the_property_would_notice_a_leak():
    prints = duplicates.prints_of([text(0), text(0, changed=1), text(120)])

    assert leaks(part(prints, {0, 2}), part(prints, {1})) != []
    assert held_back(prints, [None] * 3, size=1, seed=1) == {2}


def test_holds_back_as_many_as_asked_where_nothing_is_alike():
    prints = duplicates.prints_of([f"text number {n} of its own kind {n * n}".encode() for n in range(100)])
    nowhere = [None] * 100

    first = held_back(prints, nowhere, size=20, seed=7)

    # Always these: a job that is tried again trains on the same examples, whatever version has made its files.
    assert first == {3, 4, 7, 8, 12, 18, 20, 26, 33, 45, 46, 59, 63, 71, 77, 81, 88, 89, 94, 98}
    assert first != held_back(prints, nowhere, size=20, seed=8)


@pytest.mark.django_db
def test_keeps_the_turns_of_a_stored_conversation_together(organization):
    dataset = DatasetFactory(organization=organization, examples=40)
    for number in range(10):
        conversation, _ = organization.conversations.record(
            messages=[{"role": "user", "content": f"{number}?"}, {"role": "assistant", "content": "Yes."}]
        )
        dataset.examples.filter(position__in=range(number * 4, number * 4 + 4)).update(
            conversation=conversation
        )

    apart = validation_positions(dataset, split=0.25, seed=3)

    assert len(apart) == 8
    assert all((start in apart) == (start + turn in apart) for start in range(0, 40, 4) for turn in range(4))


@pytest.mark.django_db
def test_keeps_together_what_was_cut_from_one_conversation(organization):
    dataset = DatasetFactory(organization=organization, examples=40)
    talk = []
    for position in (3, 11, 27, 38):
        talk += [
            {"role": "user", "content": f"And what of {position}?"},
            {"role": "assistant", "content": f"It is {position * 7} of them.", "weight": 0},
        ]
        said = [*talk[:-1], talk[-1] | {"weight": 1}]
        dataset.examples.filter(position=position).update(messages=said)

    for seed in range(20):
        apart = validation_positions(dataset, split=0.25, seed=seed)

        assert len(apart) == 10
        assert len(apart & {3, 11, 27, 38}) in (0, 4)
