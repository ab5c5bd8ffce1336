import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuning.strict_json import StrictJSONError, loads, shown


def refusal_of(data, **options):
    with pytest.raises(StrictJSONError) as refusal:
        loads(data, **options)
    return refusal.value


@pytest.mark.parametrize(
    ("data", "code", "pointer", "offset"),
    [
        (b'{"a": "\xff"}', "encoding", "", 7),
        (b'"\xed\xa0\x80"', "encoding", "", 1),
        (b'"\xc0\xaf"', "encoding", "", 1),
        (b'{"a": "\0"}', "nul", "", 7),
        (b'{"a": ["\\u0000"]}', "nul", "/a/0", None),
        (b'{"a": {"\\u0000": 1}}', "nul", "/a", None),
        (b'{"a": "\\uD800x"}', "surrogate", "/a", None),
        (b'["\\udc00\\ud800"]', "surrogate", "/0", None),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate_key", "/a", None),
        (b'{"a": 1, "\\u0061": 2}', "duplicate_key", "", None),
        (b'{"a/b": {"~": NaN}}', "non_finite", "/a~1b/~0", None),
        (b"[-Infinity]", "non_finite", "/0", None),
        (b"[1, 1e400]", "non_finite", "/1", None),
        (b"[" + b"1" * 401 + b"]", "number", "/0", None),
        (b"[0." + b"1" * 401 + b"]", "number", "/0", None),
        (b"[" * 33 + b"]" * 33, "depth", "/0" * 32, None),
        (b"[" * 100_000, "depth", "", 32),
        (b"", "invalid_json", "", 0),
        (b"{} {}", "invalid_json", "", 3),
        (b"\xef\xbb\xbf{}", "invalid_json", "", 0),
        ('{"é": 1 2}'.encode(), "invalid_json", "", 9),
    ],
)
def test_says_what_is_wrong_and_where(data, code, pointer, offset):
    error = refusal_of(data)

    assert (error.code, error.pointer, error.offset) == (code, pointer, offset)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        ('"\uffff\u2028"'.encode(), "\uffff\u2028"),
        (b"1" * 400, int("1" * 400)),
        (b" [1.5, -0, true, null] ", [1.5, 0, True, None]),
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 36),
    ],
)
def test_reads_what_is_allowed(data, value):
    assert loads(data) == value


def test_allows_the_greatest_depth():
    assert loads(b"[" * 32 + b"]" * 32)
    assert refusal_of(b"[[]]", max_depth=1).code == "depth"


def test_looks_at_the_first_flaw_in_the_order_of_the_text():
    error = refusal_of(b'{"a": [1, NaN], "b": "\\u0000", "c": {"d": 1, "d": 2}}')

    assert (error.code, error.pointer) == ("non_finite", "/a/1")


def test_does_not_take_brackets_in_strings_for_depth():
    data = b'["' + b'\\"[' * 50_000 + b'", ' + b"[" * 2_000

    assert refusal_of(data).offset > 150_000


@given(st.one_of(st.binary(), st.text(alphabet='[]{}",:\\ue0d8NaN1.-').map(str.encode)))
def test_raises_nothing_else(data):
    try:
        value = loads(data)
    except StrictJSONError as error:
        error.message.encode()
        error.pointer.encode()
    else:
        assert value == json.loads(data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('a"\\/é😀'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/"), inner, max_size=3),
    max_leaves=15,
)


@given(values)
def test_reads_all_that_json_writes(value):
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x1b[31m\u202e", "a\\u001b[31m\\u202e"),
        ("a" * 100, "a" * 80 + "…"),
        (None, "null"),
        ({"a": "é"}, '{"a": "é"}'),
        ("\ud800\0", "\\ud800\\u0000"),
    ],
)
def test_shows_a_value_on_one_harmless_line(value, text):
    assert shown(value) == text
