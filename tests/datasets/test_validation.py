import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.tokens import count_example
from datasets.validation import MAX_PROBLEMS, check_row, check_size, check_tokens, digest, method_of
from tests.datasets.hostile.corpus import assistant, user

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ANSWER = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
PAIR = {
    "input": {"messages": [user()], "tools": [], "parallel_tool_calls": True},
    "preferred_output": [assistant("Good")],
    "non_preferred_output": [assistant("Bad")],
}


def chat(*messages, **fields):
    return {"messages": list(messages), **fields}


GRADED = {"messages": [{"role": "developer", "content": "Be brief."}, user()], "answer": "42"}
CALL_PLACE = "/messages/1/tool_calls/0"
PICTURE_PLACE = "/messages/0/content/0/image_url"


def without(value, key):
    return {name: item for name, item in value.items() if name != key}


def calling(arguments):
    call = CALL | {"function": {"name": "add", "arguments": arguments}}
    return chat(user(), assistant(tool_calls=[call]), tools=[TOOL])


def picture(image):
    return {"type": "image_url", "image_url": image}


def png(*, colour_type):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08" + bytes([colour_type])
    return "data:image/png;base64," + base64.b64encode(head + bytes(40)).decode()


def found(row):
    return [(problem.code, problem.pointer) for problem in check_row(row, line=1)]


@pytest.mark.parametrize(
    "row",
    [
        chat(user(), assistant()),
        chat({"role": "system", "content": "Be brief."}, user(), assistant(weight=1)),
        chat(user(), assistant(weight=0), user(), assistant()),
        chat(user([{"type": "text", "text": "What is this?"}, IMAGE]), assistant()),
        chat(user(), assistant(None, tool_calls=[CALL]), ANSWER, assistant(), tools=[TOOL]),
        chat(user(), {"role": "assistant", "tool_calls": [CALL]}, tools=[TOOL], parallel_tool_calls=False),
        chat(user(), assistant(None, function_call=CALL["function"]), functions=[TOOL["function"]]),
        chat(user() | {"name": "ann"}, assistant()),
        PAIR,
    ],
)
def test_finds_nothing_in_a_good_row(row):
    assert found(row) == []


@pytest.mark.parametrize(
    ("row", "code", "pointer"),
    [
        ([], "not_object", ""),
        ({}, "messages", "/messages"),
        (chat(), "messages", "/messages"),
        ({"messages": "Hi"}, "messages", "/messages"),
        (chat("Hi", assistant()), "messages", "/messages/0"),
        (chat(*[user(), assistant()] * 501), "too_many_messages", "/messages"),
        (chat({"content": "Hi"}, assistant()), "role", "/messages/0/role"),
        (chat({"role": "developer", "content": "Hi"}, assistant()), "role", "/messages/0/role"),
        (chat({"role": ["user"], "content": "Hi"}, assistant()), "role", "/messages/0/role"),
        (chat(assistant(), user()), "role", "/messages/1/role"),
        (chat(user(7), assistant()), "content", "/messages/0/content"),
        (chat(user(None), assistant()), "content", "/messages/0/content"),
        (chat({"role": "user"}, assistant()), "content", "/messages/0/content"),
        (chat(user([]), assistant()), "content", "/messages/0/content"),
        (chat(user(), assistant("")), "content", "/messages/1/content"),
        (chat(user([{"type": "audio"}]), assistant()), "content", "/messages/0/content/0"),
        (chat(user(), assistant([IMAGE])), "content", "/messages/1/content/0"),
        (chat(user("a<|im_start|>"), assistant()), "special_token", "/messages/0/content"),
        (
            chat(user([{"type": "text", "text": "<|endoftext|>"}]), assistant()),
            "special_token",
            "/messages/0/content/0/text",
        ),
        (chat(user() | {"weight": 1}, assistant()), "weight", "/messages/0/weight"),
        (chat(user(), assistant(weight=2)), "weight", "/messages/1/weight"),
        (chat(user(), assistant(weight=True)), "weight", "/messages/1/weight"),
        (chat(user(), assistant(weight=0)), "weight", "/messages"),
        (chat(user() | {"name": ""}, assistant()), "name", "/messages/0/name"),
        (chat(user(), {"role": "function", "content": "3"}, assistant()), "name", "/messages/1/name"),
        (chat(user() | {"tool_calls": [CALL]}, assistant()), "tool_calls", "/messages/0/tool_calls"),
        (chat(user(), assistant(tool_calls=[])), "tool_calls", "/messages/1/tool_calls"),
        (chat(user(), assistant(tool_calls=[7])), "tool_calls", "/messages/1/tool_calls/0"),
        (
            chat(user(), assistant(tool_calls=[without(CALL, "id")]), tools=[TOOL]),
            "tool_calls",
            CALL_PLACE + "/id",
        ),
        (
            chat(user(), assistant(tool_calls=[without(CALL, "type")]), tools=[TOOL]),
            "tool_calls",
            CALL_PLACE + "/type",
        ),
        (
            chat(user(), assistant(tool_calls=[CALL | {"function": None}])),
            "tool_calls",
            CALL_PLACE + "/function",
        ),
        (
            chat(user(), assistant(tool_calls=[CALL | {"index": 0}]), tools=[TOOL]),
            "unknown_field",
            CALL_PLACE + "/index",
        ),
        (
            chat(user(), assistant(tool_calls=[CALL, CALL]), tools=[TOOL]),
            "tool_calls",
            "/messages/1/tool_calls/1/id",
        ),
        (calling({}), "tool_calls", CALL_PLACE + "/function/arguments"),
        (calling("{'a': 1}"), "arguments_json", CALL_PLACE + "/function/arguments"),
        (calling("[1]"), "arguments_json", CALL_PLACE + "/function/arguments"),
        (calling("[" * 100_000), "arguments_json", CALL_PLACE + "/function/arguments"),
        (chat(user(), assistant(tool_calls=[CALL])), "tool_not_declared", CALL_PLACE + "/function/name"),
        (
            chat(user(), assistant(function_call=CALL["function"])),
            "tool_not_declared",
            "/messages/1/function_call/name",
        ),
        (
            chat(user(), assistant(tool_calls=[CALL]), assistant(), tools=[TOOL]),
            "no_tool_answer",
            "/messages/1/tool_calls",
        ),
        (chat(user() | {"tool_call_id": "call_1"}, assistant()), "tool_call_id", "/messages/0/tool_call_id"),
        (chat(user(), assistant(function_call="add")), "function_call", "/messages/1/function_call"),
        (
            chat(user() | {"function_call": CALL["function"]}, assistant()),
            "function_call",
            "/messages/0/function_call",
        ),
        (chat(user() | {"refusal": "No"}, assistant()), "refusal", "/messages/0/refusal"),
        (chat(user(), assistant(refusal=1)), "refusal", "/messages/1/refusal"),
        (chat(user(), assistant("Hello\n")), "white_space", "/messages/1/content"),
        (chat(user() | {"name": "Ann B."}, assistant()), "name_pattern", "/messages/0/name"),
        (chat(user([{"type": "text"}]), assistant()), "content", "/messages/0/content/0"),
        (
            chat(user([{"type": "text", "text": "a", "cache": 1}]), assistant()),
            "unknown_field",
            "/messages/0/content/0/cache",
        ),
        (chat(user([picture(None)]), assistant()), "image", PICTURE_PLACE),
        (chat(user([picture({"url": "cat.png"})]), assistant()), "image", PICTURE_PLACE + "/url"),
        (
            chat(user([picture({"url": "https://a.b/c", "detail": "max"})]), assistant()),
            "image",
            PICTURE_PLACE + "/detail",
        ),
        (
            chat(user([picture({"url": "data:image/gif;base64,R0lG"})]), assistant()),
            "image",
            PICTURE_PLACE + "/url",
        ),
        (
            chat(user([picture({"url": "data:image/png;base64,R0lG"})]), assistant()),
            "image",
            PICTURE_PLACE + "/url",
        ),
        (
            chat(user([picture({"url": "data:image/png;base64,!"})]), assistant()),
            "image",
            PICTURE_PLACE + "/url",
        ),
        (chat(user([picture({"url": png(colour_type=0)})]), assistant()), "image", PICTURE_PLACE + "/url"),
        (chat(user([IMAGE] * 11), assistant()), "too_many_images", "/messages"),
        (PAIR | {"input": {"messages": [user([IMAGE])]}}, "image", "/input/messages/0/content/0"),
        (PAIR | {"non_preferred_output": PAIR["preferred_output"]}, "same_outputs", "/non_preferred_output"),
        (GRADED | {"messages": [{"role": "system", "content": "Hi"}, user()]}, "role", "/messages/0/role"),
        (chat(user(), assistant(), tools=[TOOL] * 129), "tools", "/tools"),
        (
            chat(user(), assistant(), tools=[{"type": "function", "function": {"name": "a b"}}]),
            "tools",
            "/tools/0/function/name",
        ),
        (
            chat(user(), assistant(), functions=[{"name": "a", "description": 1}]),
            "tools",
            "/functions/0/description",
        ),
        (
            chat(user(), assistant(), functions=[{"name": "a", "parameters": []}]),
            "tools",
            "/functions/0/parameters",
        ),
        (
            chat(user(), assistant(), functions=[{"name": "a", "strict": "no"}]),
            "tools",
            "/functions/0/strict",
        ),
        (
            chat(
                user(), assistant(), functions=[{"name": "<|im_end|>"[2:-2], "parameters": {"<|im_end|>": 1}}]
            ),
            "special_token",
            "/functions/0/parameters/<|im_end|>",
        ),
        (chat(user(), ANSWER, assistant()), "tool_call_id", "/messages/1/tool_call_id"),
        (chat(user(), assistant(), tools={}), "tools", "/tools"),
        (chat(user(), assistant(), tools=[{"type": "function"}]), "tools", "/tools/0/function"),
        (chat(user(), assistant(), tools=["add"]), "tools", "/tools/0"),
        (chat(user(), assistant(), functions=[{}]), "tools", "/functions/0"),
        (chat(user(), assistant(), parallel_tool_calls=1), "tools", "/parallel_tool_calls"),
        (chat(user(), assistant(), **{"a/b~": 1}), "unknown_field", "/a~1b~0"),
        (chat(user(), assistant(colour="red")), "unknown_field", "/messages/1/colour"),
        (PAIR | {"input": None}, "messages", "/input"),
        (PAIR | {"preferred_output": []}, "messages", "/preferred_output"),
        (PAIR | {"non_preferred_output": [user()]}, "role", "/non_preferred_output/0/role"),
        (PAIR | {"preferred_completion": []}, "unknown_field", "/preferred_completion"),
    ],
)
def test_finds_the_one_thing_that_is_wrong(row, code, pointer):
    assert found(row) == [(code, pointer)]


def test_says_what_to_write_for_a_developer_message():
    [problem] = check_row(chat({"role": "developer", "content": "Hi"}, assistant()), line=7)

    assert problem.line == 7
    assert "`system`" in problem.fix


def test_finds_all_that_is_wrong_in_the_order_of_the_row():
    row = chat({"role": "bot", "content": 1, "b": 1, "a": 1}, assistant())

    assert [code for code, _ in found(row)] == ["unknown_field", "unknown_field", "role", "content"]
    assert found(row)[0][1] == "/messages/0/b"


def test_does_not_list_more_problems_of_a_row_than_help():
    row = chat(user(), assistant(), **{f"k{number}": 1 for number in range(1_000)})

    assert len(found(row)) == MAX_PROBLEMS


@pytest.mark.parametrize(("examples", "codes"), [(0, ["no_examples"]), (9, ["min_examples"]), (10, [])])
def test_wants_ten_examples(examples, codes):
    assert [problem.code for problem in check_size(examples=examples)] == codes


@pytest.mark.parametrize(
    ("row", "method"), [(PAIR, "dpo"), (GRADED, "reinforcement"), (chat(), "supervised"), ([], "supervised")]
)
def test_knows_what_a_row_is_for(row, method):
    assert method_of(row) == method


@pytest.mark.parametrize(("tokens", "codes"), [(65_536, []), (65_537, ["truncated"]), (128_001, ["tokens"])])
def test_says_what_does_not_fit_into_a_model(tokens, codes):
    assert [problem.code for problem in check_tokens(tokens, line=1)] == codes


def test_takes_rows_for_the_same_whatever_the_order_of_their_keys():
    row = chat({"role": "user", "content": "é"})
    same = chat({"content": "é", "role": "user"})
    other = chat({"content": "e", "role": "user"})

    assert digest(row) == digest(same) != digest(other)


keys = st.sampled_from(
    ["role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "function", "id", "type",
     "text", "arguments", "parameters", "properties", "description", "enum", "image_url", "url", "refusal", "detail"]
)  # fmt: skip
scalars = st.sampled_from(
    ["user", "assistant", "tool", "function", "text", "image_url", "", "a", None, 0, 1, 1.5, True]
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=2) | st.dictionaries(keys, v, max_size=4), max_leaves=12
)
messages = st.lists(st.dictionaries(keys, values, max_size=4) | values, max_size=3).map(
    lambda m: [*m, assistant()]
)
spoiled = st.tuples(st.sampled_from([user(), assistant(), ANSWER, TOOL["function"]]), keys, values).map(
    lambda parts: parts[0] | {parts[1]: parts[2]}
)
rows = st.one_of(
    values,
    st.builds(chat, spoiled, st.just(assistant()), tools=values),
    st.builds(lambda m: {"messages": m}, messages),
    st.builds(lambda f: chat(user(), assistant(), tools=[{"type": "function", "function": f}]), spoiled),
    st.tuples(st.sampled_from([*PAIR, "messages"]), values | st.lists(spoiled)).map(
        lambda kv: PAIR | {kv[0]: kv[1]}
    ),
)


@given(rows)
def test_never_raises_and_what_it_accepts_can_be_counted(row):
    if not any(problem.is_error for problem in check_row(row, line=1)):
        assert count_example(row) > 0
