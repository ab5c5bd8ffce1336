"""Every code that a problem can have. `docs/data-problems.md` is this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Kind:
    """A kind of problem. An `error` rejects the row, or the file when it has no row. `repair` says what
    the mechanical repair does; empty where only the author can mend it."""

    severity: Severity
    meaning: str
    repair: str = ""


# Carried by no row, also where a line is named.
FILE: Mapping[str, Kind] = {
    "not_read": Kind("error", "Reading the file failed again and again; the operator has to look."),
    "hash_mismatch": Kind("error", "The stored file is not the one that was validated; it is not sent."),
    "bom": Kind("warning", "The file starts with a byte order mark, which is left out."),
    "not_jsonl": Kind("error", "The file is one JSON array but named JSON Lines."),
    "not_array": Kind("error", "The file is named JSON but holds no array."),
    "parquet": Kind("error", "The Parquet file is damaged, or written in a way that is not read."),
    "unpacked_size": Kind("error", "Parquet: the rows are together larger than 1 GB of text."),
    "dialect": Kind("error", "CSV: the columns are not separated by commas."),
    "header": Kind("error", "A table: a column is missing or occurs twice, or there are more than 400."),
    "unused_column": Kind("warning", "A column or a field is not used; said once for each."),
    "too_many_rows": Kind("error", "There are more than 1,000,000 rows."),
    "no_examples": Kind("error", "No row can be trained on."),
    "min_examples": Kind("error", "There are fewer than 10 examples."),
}

READING: Mapping[str, Kind] = {
    "blank_line": Kind("warning", "The line is blank and is left out."),
    "line_too_long": Kind("error", "The row is longer than 4 MB; it is skipped without being read."),
    "encoding": Kind("error", "The bytes are not UTF-8."),
    "invalid_json": Kind("error", "The row is not JSON."),
    "nul": Kind("error", "The row contains a NUL character."),
    "surrogate": Kind("error", "A text contains half a surrogate pair."),
    "duplicate_key": Kind("error", "A key occurs twice in one object."),
    "non_finite": Kind("error", "A number is not finite: NaN, Infinity, 1e400."),
    "number": Kind("error", "A number has more than 400 digits."),
    "depth": Kind("error", "Values are nested more than 32 deep."),
    "columns": Kind("error", "CSV: the row has more or fewer columns than the header."),
    "csv_quote": Kind("error", "CSV: the quotes do not fit together."),
    "field_size": Kind("error", "CSV: a field is longer than 131,072 characters."),
    "layout": Kind("error", "The row does not have the fields of the dataset's layout."),
}

ROW: Mapping[str, Kind] = {
    "mixed_methods": Kind("error", "The row is for another training method than the dataset."),
    "not_object": Kind("error", "The row is not a JSON object."),
    "unknown_field": Kind(
        "error",
        "A field is not known here.",
        "The spelling of a known field is corrected (`toolCalls`, `preferred_completion`); "
        "any other field is left out.",
    ),
    "messages": Kind(
        "error",
        "There is no list of messages, or a message is not an object.",
        "A text or a single message where a preference pair needs a list becomes a list.",
    ),
    "too_many_messages": Kind("error", "There are more than 1,000 messages."),
    "role": Kind(
        "error",
        "A role is missing or not known, or the wrong side has the last word.",
        "Capitals and white space are removed; `human`, `bot`, `ai`, `gpt`, `model` and `developer` are "
        "translated.",
    ),
    "content": Kind(
        "error",
        "A message says nothing, or not in a form that is read.",
        "A number becomes text, a single part a list, a text among parts a text part.",
    ),
    "refusal": Kind("error", "A refusal is not a text, or not the assistant's.", "An empty one is left out."),
    "weight": Kind(
        "error",
        "A weight is not 0 or 1, not the assistant's, or 0 for every answer.",
        '`"1"`, `true` and `1.0` become 1, likewise 0; null and a weight of another role are left out.',
    ),
    "name": Kind(
        "error",
        "A name is not a text, or a function's answer has none.",
        "A number becomes text; an empty name is left out.",
    ),
    "name_pattern": Kind(
        "warning",
        "A name has spaces, `<`, `|`, `\\`, `/` or `>`, or more than 64 characters.",
        "They become `_`, and the name is cut to 64 characters.",
    ),
    "tool_calls": Kind(
        "error",
        "A call of a tool is not complete, or not the assistant's.",
        "A missing id or type is added, arguments become a text, an empty list is left out.",
    ),
    "function_call": Kind(
        "error",
        "A call of a function is not complete, or not the assistant's.",
        "Arguments become a text.",
    ),
    "arguments_json": Kind(
        "warning",
        "The arguments of a call are not a JSON object.",
        "Arguments in Python's notation become JSON; empty ones become `{}`.",
    ),
    "tool_call_id": Kind(
        "error",
        "A tool's message answers no earlier call, or another message has the id of a call.",
        "The first call before it that has no answer is meant; other messages lose the id.",
    ),
    "no_tool_answer": Kind("error", "The conversation goes on although a call has no answer."),
    "tools": Kind(
        "error",
        "A declared tool is not a function with a name and a JSON schema.",
        "A bare function is put into a tool, a single tool into a list; words for true and false become "
        "true and false.",
    ),
    "tool_not_declared": Kind("warning", "A tool is called that the row does not declare."),
    "image": Kind("error", "An image cannot be trained on: its address, format or place."),
    "too_many_images": Kind("error", "The example has more than 10 images."),
    "special_token": Kind(
        "error", "A text contains a token of the vendor's chat format.", "The token is removed."
    ),
    "same_outputs": Kind("warning", "Both answers of a preference pair are the same."),
    "white_space": Kind("warning", "An answer begins or ends with white space.", "It is removed."),
    "secret": Kind("warning", "A text seems to hold a key, a token or a private key."),
    "personal_data": Kind(
        "warning", "A text seems to hold an e-mail address, a telephone, card or bank number."
    ),
    "tokens": Kind("error", "The example has more than 128,000 tokens, more than a model can read."),
    "truncated": Kind("warning", "The example has more than 65,536 tokens; the rest is cut off."),
    "duplicate": Kind("warning", "The same example stands on an earlier line."),
    "near_duplicate": Kind("warning", "Nearly the same example stands on an earlier line."),
}

KINDS: Mapping[str, Kind] = {**FILE, **READING, **ROW}

# Of exports of conversations (`datasets.conversation_files`), beside those of READING.
CONVERSATION: Mapping[str, Kind] = {
    "one_object": Kind("error", "The file is one JSON object of more than 4 MB."),
    "not_a_conversation": Kind("error", "No conversation can be made of the element."),
    "left_out": Kind("warning", "A conversation was taken without what it has no place for."),
}
