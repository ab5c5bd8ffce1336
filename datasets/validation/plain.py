"""Rows in which nothing can be wrong, found so at a tenth of the price.

Most rows are plain: `messages` of text, or a preference pair of such. They are read with typed structs. The
least doubt makes a row not plain, and `strict_json` and the rules judge it; a plain row is one for which they
find nothing, which a test compares.
"""

import math
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from datasets.formats import MAX_ROWS, SPACE, UTF8_BOM, BlankRow, Readable, Reading, Row, UnreadableRow
from datasets.formats.blocks import line_blocks
from datasets.formats.jsonl import is_array_of_examples, not_jsonl, parse_row
from datasets.formats.lines import BOM_WARNING, too_many_rows, wide_encoding
from datasets.problems import Problem
from datasets.validation import Method
from datasets.validation.rows import MAX_MESSAGES

_SIGN_OF_SPECIAL_TOKEN = b"<|"
# Of the two bytes the rarer one, which is found sooner to be in no text.
_BAR = b"|"


class Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "user", "assistant"]
    content: str
    weight: Literal[0, 1] | UnsetType = UNSET


class _Chat(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    messages: list[Message]


class _Pair(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    input: _Chat
    preferred_output: list[Message]
    non_preferred_output: list[Message]


class _RawChat(msgspec.Struct, gc=False):
    messages: msgspec.Raw


class _RawPair(msgspec.Struct, gc=False):
    input: _RawChat
    preferred_output: msgspec.Raw
    non_preferred_output: msgspec.Raw


# How many strings a row has beside those of its messages: its keys.
_CHAT_STRINGS, _PAIR_STRINGS = 1, 4
_decode_chat = msgspec.json.Decoder(_Chat).decode
_decode_pair = msgspec.json.Decoder(_Pair).decode
_decode_raw_pair = msgspec.json.Decoder(_RawPair).decode


class PlainRow(msgspec.Struct, gc=False):
    """A row without any problem. `messages` are all that it has, `words` their texts one below the other;
    `stored_messages` and `attributes` are the JSON that is stored, as it was written.
    """

    line: int
    method: Method
    messages: list[Message]
    words: bytes
    stored_messages: bytes
    attributes: bytes

    def as_json(self) -> dict[str, Any]:
        """The row as any JSON reader has it."""
        attributes: dict[str, Any] = msgspec.json.decode(self.attributes)
        messages = msgspec.json.decode(self.stored_messages)
        return {**attributes, "input": {"messages": messages}} if attributes else {"messages": messages}


def read_blocks(file: Readable, *, first_line: int = 1) -> Iterator[list[Reading | PlainRow]]:
    """What the lines of JSON Lines hold, as `jsonl.read_jsonl` says it, but plain rows as such, and many at a
    time: a step over all of them keeps its tables in the cache.

    `file` may be a part of a file that begins with the line `first_line`, no later than behind `MAX_ROWS`.
    """
    line, starts = first_line, first_line == 1
    for contents, end in line_blocks(file):
        if line == 1 and (problem := _check_start(contents, end)):
            yield [problem]
            if problem.is_error:
                return
        taken = contents[: MAX_ROWS + 1 - line]
        rows: list[Reading | PlainRow] = [_row(content, end, at) for at, content in enumerate(taken, line)]
        if starts:
            blank = sum(1 for _ in takewhile(_is_blank, rows))
            starts = blank == len(rows)
            if not starts and _opens_array(contents[blank], rows[blank]):
                yield [*rows[:blank], not_jsonl(line + blank)]
                return
        yield rows
        line += len(rows)
        if len(taken) < len(contents):
            yield [too_many_rows(line)]
            return


def _check_start(contents: list[bytes | None], end: bytes) -> Problem | None:
    """What the first bytes of a file say of it; a byte order mark is taken away from them."""
    first = contents[0]
    if first is None:
        return None
    if problem := wide_encoding(first + end):
        return problem
    contents[0] = first.removeprefix(UTF8_BOM)
    return BOM_WARNING if first.startswith(UTF8_BOM) else None


def _is_blank(row: Reading | PlainRow) -> bool:
    return isinstance(row, BlankRow)


def _opens_array(content: bytes | None, row: Reading | PlainRow) -> bool:
    return isinstance(row, Row | UnreadableRow) and is_array_of_examples(content, row)


def _row(text: bytes | None, end: bytes, number: int) -> PlainRow | Row | UnreadableRow | BlankRow:
    if text is not None and (plain := plain_row(text, line=number)):
        return plain
    if text is not None and not text.strip(SPACE):
        return BlankRow(line=number)
    return parse_row(None if text is None else text + end, line=number)


def plain_row(content: bytes, *, line: int) -> PlainRow | None:
    """The plain row that a line holds, or None if there is more to be said about it."""
    for read in (_plain_chat, _plain_pair):
        try:
            return read(content, line)
        except ValueError:
            continue
    return None


def _plain_chat(content: bytes, line: int) -> PlainRow | None:
    messages = _decode_chat(content).messages
    if not messages or len(messages) > MAX_MESSAGES or messages[-1].role != "assistant":
        return None
    if messages[-1].weight == 0 and not any(map(_is_learned, messages)):
        return None
    words = _words_of(messages, content, _CHAT_STRINGS)
    # The row has one list, so these are its brackets.
    stored = content[content.index(b"[") : content.rindex(b"]") + 1]
    return None if words is None else PlainRow(line, "supervised", messages, words, stored, b"{}")


def _plain_pair(content: bytes, line: int) -> PlainRow | None:
    pair = _decode_pair(content)
    asked, answers = pair.input.messages, (pair.preferred_output, pair.non_preferred_output)
    if not asked or len(asked) > MAX_MESSAGES or answers[0] == answers[1]:
        return None
    if any(len(answer) != 1 or answer[0].role != "assistant" for answer in answers):
        return None
    messages = [*asked, *answers[0], *answers[1]]
    words = _words_of(messages, content, _PAIR_STRINGS)
    raw = _decode_raw_pair(content)
    attributes = b'{"input":{},"preferred_output":%b,"non_preferred_output":%b}' % (
        bytes(raw.preferred_output),
        bytes(raw.non_preferred_output),
    )
    stored = bytes(raw.input.messages)
    return None if words is None else PlainRow(line, "dpo", messages, words, stored, attributes)


def _words_of(messages: list[Message], content: bytes, strings: int) -> bytes | None:
    """The texts of messages that are all in order, one below the other."""
    weights, texts = 0, []
    for message in messages:
        text = message.content
        texts.append(text)
        if message.weight is not UNSET:
            weights += 1
            if message.role != "assistant":
                return None
        if message.role == "assistant" and (not text or text.strip() is not text):
            return None
    words = "\n".join(texts).encode()
    if (_BAR in words and _SIGN_OF_SPECIAL_TOKEN in words) or b"\0" in words:
        return None
    return words if _count_strings(content, words) == strings + 4 * len(messages) + weights else None


def _count_strings(content: bytes, words: bytes) -> float:
    """How many strings a line of JSON has whose texts are `words`: a key that stands there twice shows.

    Of the quotes, those that belong to a text do not count. One that is written as a number would.
    """
    if b"\\u0022" in content:
        return math.nan
    return (content.count(b'"') - words.count(b'"')) / 2


def _is_learned(message: Message) -> bool:
    return message.role == "assistant" and message.weight != 0
