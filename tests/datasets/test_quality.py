import hashlib
import json
import random
import sys
from array import array

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rensa import RMinHash

from datasets.quality import Quality, duplicates
from datasets.quality.answers import is_refusal
from datasets.quality.fingerprints import MEMORY_BYTES, SIGNATURE_BYTES, Fingerprints
from datasets.quality.languages import shares
from datasets.quality.private_data import Placeholders, find, looks_private, masked, problem_of, redact
from tests.datasets.hostile.corpus import assistant, user
from tests.datasets.texts import WORDS

KEY = "sk-proj-" + "a1B2" * 10
PERSONAL = {
    "private_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "api_key": KEY,
    "email": "ann.smith@mail.acme.io",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "phone": "+49 30 901820",
}


def chat(question="What is this?", answer="A thing.", system=None):
    prompt = [{"role": "system", "content": system}] if system else []
    return {"messages": [*prompt, user(question), assistant(answer)]}


def text(seed, words=60):
    return " ".join(random.Random(seed).choices(WORDS, k=words)) + f" {seed}"


def quality_of(rows, *, first_line=1, tokens=10):
    quality = Quality()
    for line, row in enumerate(rows, start=first_line):
        quality.add(row, line=line, tokens=tokens)
    return quality


def test_finds_the_same_example_again_and_where():
    report = quality_of([chat("Hi there"), chat("Other"), chat("HI there")]).report()

    assert (report.exact_duplicates, report.near_duplicates) == (1, 0)
    assert [(found.line, found.other_line) for found in report.duplicates] == [(3, 1)]


def test_finds_examples_that_differ_in_a_word():
    rows = [chat(text(seed), text(seed + 1_000)) for seed in range(50)]
    rows += [chat(text(7) + " indeed", text(1_007)), chat(text(8), "Well, " + text(1_008))]

    report = quality_of(rows).report()

    assert (report.exact_duplicates, report.near_duplicates) == (0, 2)
    assert [(found.line, found.other_line) for found in report.duplicates] == [(51, 8), (52, 9)]
    assert all(found.similarity > 0.8 for found in report.duplicates)


@pytest.mark.parametrize("at_once", [1, 7])
def test_finds_the_same_a_few_at_a_time(monkeypatch, at_once):
    rows = [chat(text(seed % 9) + " more" * (seed % 4), text(1_000 + seed % 9)) for seed in range(80)]
    expected = quality_of(rows).repeated()
    monkeypatch.setattr(duplicates, "_COMPARED_AT_ONCE", at_once)

    assert quality_of(rows).repeated() == expected
    assert {found.code for found in expected} == {"duplicate", "near_duplicate"}


def test_keeps_of_each_minimum_its_last_byte():
    texts = [text(seed).encode() for seed in range(20)] + [b"too short", text(3).encode()]
    hashes, ends = duplicates._shingles([words.lower() for words in texts])
    offsets = np.array([0, *ends], dtype=np.uint64)
    whole = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, offsets, duplicates.SIGNATURE_BYTES, duplicates.SEED
    )

    digests, signatures = duplicates.fingerprints_of(texts)

    expected = [bytes(minimum % 256 for minimum in row) for row in whole.to_rows()]
    expected[20] = bytes(duplicates.SIGNATURE_BYTES)
    assert signatures == b"".join(expected)
    assert digests == b"".join(hashlib.sha256(words.lower()).digest()[:8] for words in texts)


def test_keeps_fingerprints_of_many_rows_whatever_their_order():
    rows = 3 * MEMORY_BYTES // 72
    chance = np.random.default_rng(1)
    digests = chance.integers(1, 2**63, rows, dtype=np.uint64)
    signatures = chance.integers(1, 256, (rows, SIGNATURE_BYTES), dtype=np.uint8)
    prints, last = Fingerprints(), Fingerprints()
    half = rows // 2
    last.add(array("L", range(1, half + 1)), digests[:half].tobytes(), signatures[:half].tobytes())
    prints.add(array("L", range(half + 1, rows + 1)), digests[half:].tobytes(), signatures[half:].tobytes())
    prints.merge(last)

    chosen = np.array([rows - 1, 0, half, 0, half - 1])
    assert prints.places().tolist() == list(range(1, rows + 1))
    assert np.array_equal(prints.digests(), digests)
    assert np.array_equal(prints.band(7), signatures[:, 56:].copy().view(np.uint64)[:, 0])
    assert np.array_equal(prints.signatures(chosen), signatures[chosen])


def test_compares_texts_without_spaces():
    story = "昔々あるところにおじいさんとおばあさんが住んでいましたおじいさんは山へ芝刈りに行きました"

    report = quality_of([chat(story, "はい" * 20), chat(story + "。", "はい" * 20)]).report()

    assert report.near_duplicates == 1


@pytest.mark.parametrize(("kind", "value"), PERSONAL.items())
def test_finds_private_data_and_its_place(kind, value):
    question = f"Grüße! It is {value}, thanks."

    [finding] = find(chat(question))

    assert (finding.kind, finding.pointer, finding.value) == (kind, "/messages/0/content", value)
    assert question[finding.start : finding.end] == value


@pytest.mark.parametrize(
    "value", ["AKIAIOSFODNN7EXAMPLE", "ghp_" + "a" * 36, "xoxb-" + "1" * 12, "AIza" + "b" * 35]
)
def test_knows_keys_of_other_makers(value):
    assert [finding.kind for finding in find(chat(value))] == ["api_key"]


@pytest.mark.parametrize(
    "harmless",
    [
        "Write to ann@example.com or bob@acme.test.",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "GB82 WEST 1234 5698 7654 33",
        "In 2024 there were 12345678901234567890123 of them, version 1.22.333.4444.",
        "sk-short",
        "f" * 64,
        "2024-11-23 10:15:00",
    ],
)
def test_leaves_harmless_texts_alone(harmless):
    assert list(find(chat(harmless))) == []


def test_warns_without_repeating_what_is_private():
    [warning] = Quality().add(chat(f"Use {KEY}"), line=4, tokens=9)

    assert (warning.code, warning.severity, warning.line) == ("secret", "warning", 4)
    assert (warning.pointer, warning.found) == ("/messages/0/content", "sk…B2")
    assert KEY not in str(vars(warning))


def test_looks_at_each_place_once_however_many_there_are():
    """A line may hold a quarter of a million addresses, and is looked at by pages, too."""

    def steps(addresses):
        text = " ".join(f"é a{number}@mail.acme.io" for number in range(addresses))
        counted = 0

        def count(*_):
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            assert text.count("@") == len(list(find({"text": text})))
        finally:
            sys.setprofile(None)
        return counted

    assert steps(1000) < 3 * steps(500)


def test_masks_short_values_whole():
    assert masked("1234567") == "…"


def test_redacts_the_same_value_to_the_same_word():
    row = chat("Ann is ann.smith@mail.acme.io", "Mail to Ann.Smith@mail.acme.io or bob@mail.acme.io")

    redacted = redact(row, Placeholders())

    question, answer = (message["content"] for message in redacted["messages"])
    assert question == "Ann is [EMAIL_1]"
    assert answer == "Mail to [EMAIL_1] or [EMAIL_2]"
    assert redact(redacted, Placeholders()) == redacted
    assert list(find(redacted)) == []


def test_writes_a_number_in_two_ways_as_the_same_word():
    row = chat("Call +49 30 901820", "I called +49-30-901820")

    assert [message["content"] for message in redact(row, Placeholders())["messages"]] == [
        "Call [PHONE_1]",
        "I called [PHONE_1]",
    ]


def test_gives_no_placeholder_that_stands_in_the_text_already():
    placeholders = Placeholders()
    placeholders.reserve("Ask [EMAIL_3] or [PHONE_1], not [EMAIL_2]")

    redacted = redact("bob@mail.acme.io, +49 30 901820", placeholders)

    assert redacted == "[EMAIL_4], [PHONE_2]"
    assert placeholders.replaced == ["[EMAIL_4]", "[PHONE_2]"]


def test_redacts_everywhere_but_in_keys_and_changes_nothing_else():
    row = {"messages": [user([{"type": "text", "text": KEY}])], KEY: 1, "n": [None, True, 1.5]}

    redacted = redact(row, Placeholders())

    assert KEY not in json.dumps(redacted["messages"])
    assert redacted[KEY] == 1
    assert redacted["n"] == [None, True, 1.5]


@given(
    st.text()
    | st.sampled_from(list(PERSONAL.values())).flatmap(lambda v: st.text().map(lambda t: f"{t} {v} {t}"))
)
def test_the_fast_look_misses_nothing(value):
    found = list(find({"content": value}))

    assert looks_private(value.encode()) or not found
    assert all(
        finding.kind in PERSONAL and value[finding.start : finding.end] == finding.value for finding in found
    )
    assert all(problem_of(finding, line=1).severity == "warning" for finding in found)


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m unable to do so.", True),
        ("As an AI language model, I have no opinion.", True),
        ("I'm sorry, but I can only do so tomorrow. Is that fine?", False),
        ("You cannot divide by zero.", False),
        ("", False),
    ],
)
def test_tells_refusals_from_answers(answer, refuses):
    assert is_refusal(answer) is refuses


def test_counts_roles_lengths_and_answers():
    call = {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    image = [{"type": "image_url", "image_url": {"url": "https://a.io/b.png"}}]
    rows = [
        chat(system="Be brief."),
        chat(image, "I cannot say."),
        {"messages": [user(), assistant(None, tool_calls=[call]), {"role": "tool", "tool_call_id": "a", "content": "3"}, assistant(" ")]},
        {"input": {"messages": [user()]}, "preferred_output": [assistant("Yes")], "non_preferred_output": [assistant("No")]},
    ]  # fmt: skip

    summary = quality_of(rows, tokens=100).report().summary

    assert (summary.examples, summary.total_tokens, summary.mean_tokens) == (4, 400, 100)
    assert summary.roles == {"assistant": 6, "system": 1, "tool": 1, "user": 4}
    assert summary.tokens_histogram == {128: 4}
    assert (summary.image_examples, summary.tool_examples) == (1, 1)
    assert (summary.answers, summary.empty_answers, summary.refusals) == (6, 1, 1)
    assert (summary.system_prompts, summary.without_system_prompt) == ({"Be brief.": 1}, 3)


def test_tells_languages():
    texts = [
        "Wo ist der nächste Bahnhof, bitte?",
        "Where is the nearest station, please?",
        "駅はどこですか、教えてください。",
    ]

    assert shares(texts).keys() == {"de", "en", "ja"}
    assert shares([]) == {}


def test_a_good_file_is_healthy_and_each_fault_shows_in_its_part():
    good = [chat(text(seed), text(seed + 500), "Be brief.") for seed in range(100)]
    bad = [
        *good[:50],
        *good[:25],
        *[chat(text(n), KEY) for n in range(200, 215)],
        *[chat(text(n), "I cannot say.") for n in range(300, 310)],
    ]

    healthy, ill = quality_of(good).report().health, quality_of(bad).report().health

    assert healthy.score == 100
    assert {part.name for part in ill.parts if part.points < 100} == {
        "unique",
        "private",
        "answers",
        "system_prompts",
    }
    assert 0 <= ill.score < 70


def test_an_empty_file_has_a_report():
    report = Quality().report()

    assert report.summary.examples == 0
    assert report.health.score < 100
    assert json.loads(json.dumps(msgspec.to_builtins(report, str_keys=True)))["duplicates"] == []


row_lists = st.lists(
    st.builds(chat, st.sampled_from([text(1), text(2), text(2) + " indeed", "Hi", KEY]), st.text(max_size=9)),
    max_size=30,
)


@given(row_lists, st.integers(0, 30), st.booleans())
def test_parts_merge_to_what_the_whole_would_be(rows, cut, swapped):
    whole = quality_of(rows)
    parts = [quality_of(rows[:cut]), Quality.load(quality_of(rows[cut:], first_line=cut + 1).dump())]

    first, second = parts[::-1] if swapped and len(rows) > cut else parts
    first.merge(second)

    assert first.report() == whole.report()


def test_many_rows_in_parts_come_to_what_the_whole_would_be():
    rows = [
        chat(text(seed, 6), text(seed + 9_000, 9), system=f"You are number {seed}.") for seed in range(1_100)
    ]
    parts = [quality_of(rows[start : start + 110], first_line=start + 1) for start in range(0, 1_100, 110)]

    for part in parts[1:]:
        parts[0].merge(part)

    assert parts[0].report() == quality_of(rows).report()
