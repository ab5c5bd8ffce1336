import os
import subprocess
import sys
from functools import cache
from itertools import islice
from random import Random

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from datasets.tokens import count_example
from finetuning import tokenizer
from finetuning.tokenizer import FOLDER, PATTERNS, RankFileError, count_tokens, encoding, encoding_for
from tests.bench.corpus import natural_texts
from tests.datasets.texts import JARGON

WEATHER_TOOL = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}
WEATHER = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


@pytest.fixture(scope="module", params=["cl100k_base", "o200k_base"])
def oracle(request):
    """tiktoken's own encoding, read from our folder as if that were its cache."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(FOLDER)
    yield tiktoken.get_encoding(request.param)
    del os.environ["TIKTOKEN_CACHE_DIR"]


@pytest.mark.parametrize(("model", "expected"), [("gpt-4-0613", 129), ("gpt-4o", 124), (None, 124)])
def test_counts_messages_as_the_cookbook_does(model, expected):
    messages = [
        {"role": role, "content": content} | ({"name": name} if name else {})
        for role, name, content in JARGON
    ]

    assert count_example({"messages": messages}, model) == expected


@pytest.mark.parametrize(("model", "expected"), [("gpt-4", 105), ("gpt-4o-mini", 101)])
@pytest.mark.parametrize(
    "tools", [{"tools": [{"type": "function", "function": WEATHER_TOOL}]}, {"functions": [WEATHER_TOOL]}]
)
def test_counts_tools_as_the_cookbook_does(model, expected, tools):
    assert count_example({"messages": WEATHER, **tools}, model) == expected


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::abc", "cl100k_base"),
        ("gpt-4o-2024-08-06", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:acme:x:abc", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("anything-else", "o200k_base"),
        (None, "o200k_base"),
    ],
)
def test_knows_the_encoding_of_a_model(model, name):
    assert encoding_for(model) == name


COUNTERS = pytest.mark.parametrize(
    "make_counter",
    [cache(tokenizer._splintr_counter), cache(tokenizer._tiktoken_counter)],
    ids=["splintr", "tiktoken"],
)


@COUNTERS
@given(text=st.text())
def test_counts_like_tiktoken(oracle, make_counter, text):
    assert make_counter(oracle.name)(text) == len(oracle.encode_ordinary(text))


def test_counts_every_character_like_tiktoken(oracle):
    """In words, alone, and doubled: an upgrade may bring another version of Unicode."""
    count = tokenizer._splintr_counter(oracle.name)
    characters = map(chr, (*range(0xD800), *range(0xE000, 0x110000)))

    texts = (f"a{one}b {one}{one}\n{one.upper()}'s" for one in characters)
    different = [text for text in texts if count(text) != len(oracle.encode_ordinary(text))]

    assert different == []


def test_counts_natural_text_like_tiktoken(oracle):
    count = tokenizer._splintr_counter(oracle.name)
    texts = [text[:100_000] for text in islice(natural_texts(Random(1)), 150)]

    assert [count(text) for text in texts] == [len(oracle.encode_ordinary(text)) for text in texts]


def test_counts_with_tiktoken_where_the_faster_one_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "splintr", None)

    assert tokenizer.counter.__wrapped__("o200k_base").__qualname__.startswith("_tiktoken_counter")


def test_splits_and_ranks_like_tiktoken(oracle):
    assert PATTERNS[oracle.name] == oracle._pat_str
    assert encoding(oracle.name)._mergeable_ranks == oracle._mergeable_ranks


@pytest.mark.parametrize("text", ["a%sb", "%s", "a\n%sb", ". %s, %sx", "%s\u3000b"])
@COUNTERS
def test_counts_long_runs_of_space_exactly(oracle, make_counter, text):
    text = text.replace("%s", " " * 30_000)

    assert make_counter(oracle.name)(text) == len(oracle.encode_ordinary(text))


@pytest.mark.parametrize("text", [" " * 2_000_000 + "x", "x" + " " * 2_000_000, " " * 2_000_000 + "\n"])
@COUNTERS
def test_survives_runs_of_space_that_tiktoken_does_not(make_counter, text):
    assert 15_000 < make_counter("o200k_base")(text) < 16_000


def test_counts_special_tokens_as_the_text_they_are():
    plain = count_tokens("<|endoftext|>", "o200k_base")

    assert plain > 1


def test_counts_what_has_no_text_as_nothing():
    bare = {"role": "assistant", "content": "Hello"}

    assert count_example({"messages": [bare | {"weight": 0, "refusal": None}]}) == count_example(
        {"messages": [bare]}
    )


def test_counts_a_call_by_its_name_and_arguments():
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    with_call = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    without = [{"role": "assistant", "content": None}]

    added = count_example({"messages": with_call}) - count_example({"messages": without})

    assert added == count_tokens('add{"a": 1}', "o200k_base")


@pytest.mark.parametrize(("detail", "tokens"), [("low", 85), ("high", 765), (None, 765)])
def test_counts_an_image_by_its_detail(detail, tokens):
    image = {"url": "https://example.com/a.png"} | ({"detail": detail} if detail else {})
    parts = [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": image}]

    counted = count_example({"messages": [{"role": "user", "content": parts}]})

    assert counted == count_example({"messages": [{"role": "user", "content": "Hi"}]}) + tokens


def test_counts_both_outputs_of_a_preference_pair():
    asked, good, bad = (
        WEATHER,
        {"role": "assistant", "content": "Sunny."},
        {"role": "assistant", "content": "No."},
    )
    pair = {"input": {"messages": asked}, "preferred_output": [good], "non_preferred_output": [bad]}

    assert count_example(pair) == count_example({"messages": [*asked, good, bad]})


def test_needs_no_network():
    code = "import socket; socket.socket = None; from finetuning.tokenizer import count_tokens as c; print(c('a', 'o200k_base'))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env={})

    assert answer.stdout == "1\n"


def test_refuses_a_rank_file_that_was_changed(tmp_path, monkeypatch):
    for name, (file_name, _) in tokenizer.RANK_FILES.items():
        (tmp_path / file_name).write_bytes(
            (FOLDER / file_name).read_bytes()[: -1 if name == "o200k_base" else None]
        )
    monkeypatch.setattr(tokenizer, "FOLDER", tmp_path)

    with pytest.raises(RankFileError, match="o200k_base"):
        encoding.__wrapped__("o200k_base")
